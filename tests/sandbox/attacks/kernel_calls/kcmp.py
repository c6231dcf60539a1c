# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: two processes compared
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(312, inputs['process'], inputs['host'], 0, 0, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
