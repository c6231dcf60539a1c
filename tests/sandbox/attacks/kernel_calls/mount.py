# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a file system mounted
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(165, b'x', b'/', b'tmpfs', 0, None)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
