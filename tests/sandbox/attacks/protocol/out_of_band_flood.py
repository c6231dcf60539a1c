# guard: CODE_SECURITY
# bare: CODE_TIMEOUT|CODE_CRASHED|-
# what: bytes out of band without an end
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
while True:
    libc.sendto(channel, b"a", ctypes.c_size_t(1), 1 | 0x40, None, 0)
