# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_SECURITY
# what: machine code written to memory and called
# machine: x86_64
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, ctypes.c_size_t(4096), 3, 0x22, -1, ctypes.c_long(0))
code = b"\xb8\x2a\x00\x00\x00\xc3"
ctypes.memmove(place, code, len(code))
return "ESCAPED machine code ran: " + str(ctypes.CFUNCTYPE(ctypes.c_int)(place)())
