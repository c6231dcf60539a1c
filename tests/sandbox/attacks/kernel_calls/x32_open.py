# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a file by the x32 interface
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(0x40000002, b'/etc/passwd', 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
