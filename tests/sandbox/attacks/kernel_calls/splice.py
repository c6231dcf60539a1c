# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: pages moved between descriptors
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(275, 3, 0, 3, 0, 4096, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
