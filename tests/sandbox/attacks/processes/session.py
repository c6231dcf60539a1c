# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a session of one's own
import os
return "ESCAPED " + str(os.setsid())
