# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: another program
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(59, b'/bin/sh', None, None)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
