# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: timers by a descriptor
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(283, 0, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
