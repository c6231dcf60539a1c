# guard: CODE_SECURITY
# bare: -
# what: a character pushed into a terminal
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(16, 3, 0x5412, b'x')
if answer != -1 or ctypes.get_errno() != 1:
    return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
return "refused"
