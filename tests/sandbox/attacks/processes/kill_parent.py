# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal to the parent
import os
os.kill(os.getppid(), 9)
return "ESCAPED"
