# guard: CODE_SECURITY
# bare: -
# what: a buffer of the channel made huge
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(54, 3, 1, 7, (ctypes.c_int * 1)(1 << 30), 4)
if answer != -1 or ctypes.get_errno() != 1:
    return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
return "refused"
