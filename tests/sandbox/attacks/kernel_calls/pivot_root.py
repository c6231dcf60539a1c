# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the root directory changed
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(155, b'.', b'.')
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
