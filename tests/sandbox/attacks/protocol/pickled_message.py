# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: a pickle that would call something
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
send(b"cos\nsystem\n(S'true'\ntR.")
while True:
    pass
