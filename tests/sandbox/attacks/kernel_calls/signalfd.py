# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: signals by a descriptor
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(289, -1, ctypes.create_string_buffer(8), 8, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
