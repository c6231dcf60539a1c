# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: shared memory by the C library
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None)
return "ESCAPED it was made" if libc.syscall(29, 0, 4096, 0o1600) >= 0 else "refused"
