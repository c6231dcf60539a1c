# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a connection, without making a socket
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(42, 3, b'\x01\x00/x', 4)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
