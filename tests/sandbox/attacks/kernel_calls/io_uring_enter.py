# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a request to a ring
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(426, 3, 1, 0, 0, 0, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
