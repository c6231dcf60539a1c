# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: an error of a kind that does not exist
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
send(b'{"t":"error","kind":"__class__","type":"x","message":"m","printed":""}')
while True:
    pass
