# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a mount copied
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(428, -100, b'/', 1)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
