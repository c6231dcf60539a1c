# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the system's clock
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(227, 0, (ctypes.c_int64 * 2)(0, 0))
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
