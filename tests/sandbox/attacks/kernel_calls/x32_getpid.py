# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a call of the x32 interface
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(0x40000027)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
