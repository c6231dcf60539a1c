# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a rule set of its own
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(444, 0, 0, 1)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
