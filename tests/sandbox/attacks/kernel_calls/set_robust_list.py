# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a list that the kernel walks when we die
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(273, 0, 24)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
