# guard: CODE_SECURITY
# bare: -
# what: the limit of memory raised
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
answer = libc.syscall(302, 0, 9, (ctypes.c_ulong * 2)(2**63, 2**63), None)
if answer != -1 or ctypes.get_errno() != 1:
    return "ESCAPED the call came back: %d, errno %d" % (answer, ctypes.get_errno())
return "refused"
