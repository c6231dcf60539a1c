# guard: CODE_SECURITY
# bare: -
# what: two calls with the same number
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
for name in (b"echo", b"fail", b"echo"):
    send(b'{"t":"call","id":1,"name":"' + name + b'","params":{}}')
return "harmless"
