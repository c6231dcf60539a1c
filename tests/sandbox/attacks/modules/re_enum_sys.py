# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: re, its enum, its sys, all modules
import re
return "ESCAPED " + re.enum.sys.modules["os"].listdir("/")[0]
