# guard: CODE_SECURITY
# bare: -
# what: the one descriptor there is, with the address of another socket
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
address = b"\x01\x00\x00" + inputs["abstract"].encode()
for descriptor in range(16):
    libc.sendto(descriptor, b"", ctypes.c_size_t(0), 0, address, len(address))
return "nothing was sent"
