# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a terminal with a process behind it
import os
return "ESCAPED " + str(os.forkpty())
