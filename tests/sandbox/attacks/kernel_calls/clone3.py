# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a process by clone3
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(435, (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17), 88)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
