# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_RUNTIME
# what: an error with printed text of megabytes
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
send(b'{"t":"error","kind":"runtime","type":"x","message":"m","printed":"' + b"x" * (5 << 20) + b'"}')
while True:
    pass
