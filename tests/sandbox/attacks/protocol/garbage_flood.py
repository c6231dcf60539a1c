# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: bytes without an end
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
while True:
    os.write(channel, b"\xff" * 65536)
