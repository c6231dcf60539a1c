# guard: CODE_SECURITY
# bare: -
# what: a page of code moved elsewhere, where it stays what it was
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mremap.restype = ctypes.c_void_p
place = ctypes.cast(libc.abs, ctypes.c_void_p).value & ~4095
made = libc.mremap(ctypes.c_void_p(place), ctypes.c_size_t(0), ctypes.c_size_t(4096), 1)
return "its own memory"
