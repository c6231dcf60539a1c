# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a message with rights attached
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(46, 3, ctypes.create_string_buffer(56), 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
