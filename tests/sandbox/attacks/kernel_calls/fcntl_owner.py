# guard: CODE_SECURITY
# bare: -
# what: signals of a descriptor sent to somebody else
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(72, 3, 8, inputs['process'])
if answer != -1 or ctypes.get_errno() != 1:
    return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
return "refused"
