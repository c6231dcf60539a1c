# guard: CODE_SECURITY
# bare: CODE_CRASHED|RESOURCE_EXHAUSTED|OUTPUT_INVALID
# what: a result above the limit, which only the host can know
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
send(b'{"t":"done","printed":"","result":"' + b"x" * (5 << 20) + b'"}')
while True:
    pass
