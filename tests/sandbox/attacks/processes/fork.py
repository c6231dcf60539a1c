# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: fork
import os
return "ESCAPED " + str(os.fork())
