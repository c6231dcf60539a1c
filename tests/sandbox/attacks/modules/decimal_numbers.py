# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: what fractions and decimal imported
import fractions
return "ESCAPED " + fractions.sys.modules["os"].listdir("/")[0]
