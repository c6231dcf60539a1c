# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: events of the processor watched
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(298, ctypes.create_string_buffer(128), 0, -1, -1, 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
