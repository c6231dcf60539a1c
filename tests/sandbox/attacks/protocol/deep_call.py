# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: parameters nested a hundred deep
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
send(b'{"t":"call","id":1,"name":"echo","params":{"a":' + b"[" * 100 + b"]" * 100 + b'}}')
while True:
    pass
