# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a table of descriptors of its own
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(272, 0x400)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
