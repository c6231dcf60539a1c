# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a module loaded into the kernel
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(175, b'', 0, b'')
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
