# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a file by its handle, around the root directory
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(304, -100, ctypes.create_string_buffer(128), 0)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
