# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the sizes of a filter's notifications
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(317, 3, 0, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
