# guard: CODE_SECURITY
# bare: -
# what: the channel shut down
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(48, 3, 2)
if answer != -1 or ctypes.get_errno() != 1:
    return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
return "refused"
