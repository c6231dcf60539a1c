# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_SECURITY
# what: the process aborted
import os
os.abort()
