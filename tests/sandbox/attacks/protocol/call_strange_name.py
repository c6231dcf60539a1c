# guard: CODE_SECURITY
# bare: -|CODE_CRASHED
# what: a tool with the name of a method
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
send(b'{"t":"call","id":1,"name":"__init__","params":{"self":1}}')
return "harmless"
