# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: a length a little above the limit, then every byte of it
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
size = (1 << 20) + (8 << 20) + 1
data = struct.pack("<I", size) + b"x" * size
while data:
    data = data[os.write(channel, data[:100000]):]
while True:
    pass
