# guard: CODE_SECURITY
# bare: CODE_SECURITY|-
# what: fork and vfork by the C library
import ctypes
made = ctypes.CDLL(None).fork()
return "ESCAPED " + str(made) if made >= 0 else "refused"
