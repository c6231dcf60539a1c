# guard: CODE_SECURITY
# bare: CODE_RUNTIME|CODE_CRASHED
# what: an error in a line that cannot be
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
send(b'{"t":"error","kind":"runtime","type":"","message":"{0.__class__}","printed":"","line":-9223372036854775808}')
while True:
    pass
