# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the sys that collections imported
import collections
return "ESCAPED " + collections._sys.modules["os"].listdir("/")[0]
