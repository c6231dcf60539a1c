# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: a forged result of very many small parts, which would hold up the host for a second
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
body = b'{"t":"done","printed":"","result":[' + b"[]," * 300_000 + b"0]}"
data = struct.pack("<I", len(body)) + body
while data:
    data = data[os.write(channel, data):]
while True:
    pass
