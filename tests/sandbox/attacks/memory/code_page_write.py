# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_SECURITY
# what: the code of libc overwritten in place
import ctypes
libc = ctypes.CDLL(None)
place = ctypes.cast(libc.getpid, ctypes.c_void_p).value
ctypes.memmove(place, b"\xb8\x2a\x00\x00\x00\xc3", 6)
return "ESCAPED machine code ran: " + str(libc.getpid())
