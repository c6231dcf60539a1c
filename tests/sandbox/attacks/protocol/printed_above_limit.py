# guard: CODE_SECURITY
# bare: CODE_CRASHED|-
# what: more printed text than is kept, which only the host can know
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
send(b'{"t":"done","printed":"' + b"x" * (5 << 20) + b'","result":1}')
while True:
    pass
