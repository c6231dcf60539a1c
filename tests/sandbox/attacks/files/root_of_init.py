# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the root directory through another process
import os
return "ESCAPED " + str(os.listdir("/proc/1/root"))
