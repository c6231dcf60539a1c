# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the end of somebody else's children
import os
return "ESCAPED " + str(os.waitpid(-1, 0))
