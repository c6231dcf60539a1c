# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a device node
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(133, inputs['drop'].encode() + b'/node', 0o020666, 0x101)
return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
