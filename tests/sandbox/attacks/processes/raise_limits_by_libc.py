# guard: CODE_SECURITY
# bare: CODE_SECURITY|-
# what: limits raised by the C library, for us and for the zygote
import ctypes
libc = ctypes.CDLL(None)
pair = (ctypes.c_ulong * 2)(2**64 - 1, 2**64 - 1)
for pid in (0, 1, inputs["zygote"]):
    if libc.prlimit(pid, 9, pair, None) == 0:
        return "ESCAPED a limit was raised"
return "refused"
