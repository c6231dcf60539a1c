# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the descriptors in /proc/self/fd
import os
return "ESCAPED " + str([os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd")])
