# guard: CODE_SECURITY
# bare: CODE_CRASHED|-|RESOURCE_EXHAUSTED|OUTPUT_INVALID
# what: millions of small parts in one message
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
send(b'{"t":"done","printed":"","result":[' + b"[]," * 2_000_000 + b"0]}")
while True:
    pass
