# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: a read of address zero
import ctypes
return "ESCAPED " + str(ctypes.string_at(0))
