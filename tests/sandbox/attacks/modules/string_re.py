# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the modules that string imported
import string
return "ESCAPED " + string._re.enum.sys.modules["os"].listdir("/")[0]
