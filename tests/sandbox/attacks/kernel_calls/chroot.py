# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the root directory changed, the old way
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(161, b'/')
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
