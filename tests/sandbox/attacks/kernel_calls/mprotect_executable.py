# guard: CODE_SECURITY
# bare: -
# what: written memory made executable, half of its pages at a time
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, ctypes.c_size_t(8192), 3, 0x22, -1, ctypes.c_long(0))
answers = [libc.mprotect(ctypes.c_void_p(place + at), ctypes.c_size_t(4096), bits) for at, bits in ((0, 5), (4096, 7), (4096, 4))]
return "ESCAPED " + str(answers) if 0 in answers else "refused"
