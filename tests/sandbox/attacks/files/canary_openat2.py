# guard: CODE_SECURITY
# bare: CODE_SECURITY|-
# what: a readable file by newer calls than the library's
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None)
how = (ctypes.c_uint64 * 3)(0, 0, 0)
descriptor = libc.syscall(437, -100, inputs["other_file"].encode(), how, 24)
return "ESCAPED it was opened" if descriptor >= 0 else "refused"
