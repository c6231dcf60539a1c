# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: semaphores that outlive us
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(64, 0, 1, 0o1600)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
