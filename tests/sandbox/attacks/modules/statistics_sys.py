# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the sys that statistics imported
import statistics
return "ESCAPED " + statistics.sys.modules["os"].listdir("/")[0]
