# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: every access to files watched
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(300, 0, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
