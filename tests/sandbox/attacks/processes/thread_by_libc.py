# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_CRASHED|-
# what: a thread by the C library
import ctypes
handle = ctypes.c_ulong()
failed = ctypes.CDLL(None).pthread_create(ctypes.byref(handle), None, ctypes.CDLL(None).pause, None)
return "refused" if failed else "ESCAPED"
