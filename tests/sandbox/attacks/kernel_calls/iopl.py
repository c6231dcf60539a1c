# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the ports of the hardware
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(172, 3)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
