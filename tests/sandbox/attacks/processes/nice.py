# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a higher priority
import os
return "ESCAPED " + str(os.nice(-5))
