# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal to process 1
import os
os.kill(1, 9)
return "ESCAPED"
