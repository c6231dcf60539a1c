# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a message queue that outlives us
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(240, b'/x', 0o102, 0o600, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
