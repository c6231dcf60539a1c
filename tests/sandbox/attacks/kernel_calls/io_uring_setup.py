# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a ring whose requests no filter sees
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(425, 8, ctypes.create_string_buffer(120))
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
