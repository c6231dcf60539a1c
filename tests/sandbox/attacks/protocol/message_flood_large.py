# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_TIMEOUT
# what: large calls without an end, whose answers nobody reads
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
body = b'{"t":"call","id":1,"name":"echo","params":{"x":"' + b"x" * 500_000 + b'"}}'
while True:
    send(body)
