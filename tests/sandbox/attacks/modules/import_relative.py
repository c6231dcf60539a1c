# guard: CODE_SECURITY
# bare: CODE_RUNTIME
# what: a relative import, out of a package that is not there
from .. import worker
return "ESCAPED " + str(worker)
