# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: sys.modules by its name
import sys
return "ESCAPED " + sys.modules["os"].listdir("/")[0]
