# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the kernel's log
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(103, 3, ctypes.create_string_buffer(64), 64)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
