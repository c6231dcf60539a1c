# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_TIMEOUT
# what: calls of a tool that never answers, without an end
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
while True:
    send(b'{"t":"call","id":1,"name":"never","params":{}}')
