# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: the process ended without a word
import os
os._exit(0)
