# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_CRASHED
# what: the code of libc made writable, changed, and made executable again
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
place = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095
if libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(4096), 7):
    raise PermissionError(1, "refused")
return "ESCAPED the page of code is writable"
