# guard: CODE_SECURITY
# bare: -
# what: a readable file by the C library
import ctypes
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
return "ESCAPED it was opened" if libc.fopen(inputs["other_file"].encode(), b"r") else "refused"
