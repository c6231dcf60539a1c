# guard: CODE_SECURITY
# bare: CODE_TIMEOUT|CODE_CRASHED|-
# what: a byte out of band, which a reader may trip over
import os
import struct
channel = None
for descriptor in range(16):
    try:
        os.write(descriptor, b"")
        channel = descriptor
        break
    except OSError:
        pass
def send(body):
    data = struct.pack("<I", len(body)) + body
    while data:
        data = data[os.write(channel, data):]
import ctypes
libc = ctypes.CDLL(None)
libc.sendto(channel, b"ab", ctypes.c_size_t(2), 1, None, 0)
return "harmless"
