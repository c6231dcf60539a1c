# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the descriptor tables of the processor
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(154, 0, ctypes.create_string_buffer(16), 16)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
