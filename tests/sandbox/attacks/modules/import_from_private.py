# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a private name of an allowed module
from random import _os
return "ESCAPED " + _os.popen("id").read()
