# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the handle of a file
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(303, -100, b'/', ctypes.create_string_buffer(128), ctypes.create_string_buffer(8), 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
