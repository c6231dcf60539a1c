# guard: CODE_SECURITY
# bare: -
# what: a message in single bytes
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
body = b'{"t":"done","printed":"","result":"forged"}'
for byte in struct.pack("<I", len(body)) + body:
    os.write(channel, bytes([byte]))
return 1
