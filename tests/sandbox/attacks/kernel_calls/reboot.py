# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the machine restarted
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(169, 0xfee1dead, 672274793, 0x1234567, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
