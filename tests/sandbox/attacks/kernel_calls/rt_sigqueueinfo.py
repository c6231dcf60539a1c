# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal with a forged sender
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(129, inputs['process'], 9, ctypes.create_string_buffer(128))
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
