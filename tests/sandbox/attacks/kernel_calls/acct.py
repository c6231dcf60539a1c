# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: accounts of all processes in a file
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(163, b'/x')
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
