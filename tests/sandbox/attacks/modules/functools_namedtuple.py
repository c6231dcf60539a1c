# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: what functools imported from collections
import functools
return "ESCAPED " + functools.namedtuple.__globals__["_sys"].modules["os"].listdir("/")[0]
