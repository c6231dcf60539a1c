# guard: CODE_SECURITY
# bare: CODE_RUNTIME
# what: the failure of a call that was never made
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
send(b'{"t":"error","kind":"tool","type":"x","message":"m","printed":"","call":77}')
while True:
    pass
