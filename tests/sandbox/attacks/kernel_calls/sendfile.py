# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a file sent
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(40, 3, 3, 0, 10)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
