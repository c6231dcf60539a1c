# guard: CODE_SECURITY
# bare: -
# what: all numbers that are refused softly, looking for a descriptor
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
got = []
for number in (2, 4, 6, 16, 17, 20, 21, 32, 33, 41, 48, 51, 52, 54, 55, 63, 72, 79, 82, 83, 87, 89, 98, 99, 102, 104, 107, 108, 110, 204, 217, 257, 258, 262, 263, 267, 269, 290, 291, 292, 293, 302, 316, 332, 437, 439):
    if libc.syscall(number, 1, 1, 1, 0, 0, 0) != -1 or ctypes.get_errno() != 1:
        got.append(number)
return "ESCAPED " + str(got) if got else "refused"
