# guard: CODE_SECURITY
# bare: -|CODE_CRASHED|CODE_RUNTIME
# what: calls whose numbers were never given out
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
send(b'{"t":"call","id":-1,"name":"echo","params":{}}')
send(b'{"t":"call","id":9223372036854775807,"name":"echo","params":{}}')
return "harmless"
