# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: another user
import os
os.setresuid(0, 0, 0)
return "ESCAPED"
