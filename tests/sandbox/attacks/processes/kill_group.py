# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal to the process group
import os
os.killpg(0, 9)
return "ESCAPED"
