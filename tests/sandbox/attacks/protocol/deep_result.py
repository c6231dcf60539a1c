# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: a result nested a hundred thousand deep
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
send(b'{"t":"done","printed":"","result":' + b"[" * 100000 + b"]" * 100000 + b'}')
while True:
    pass
