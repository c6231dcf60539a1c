# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the plain import
import os
return "ESCAPED " + os.popen("id").read()
