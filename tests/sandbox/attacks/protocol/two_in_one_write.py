# guard: CODE_SECURITY
# bare: -
# what: a call and the result in one piece
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
one = b'{"t":"call","id":1,"name":"echo","params":{}}'
two = b'{"t":"done","printed":"","result":"forged"}'
os.write(channel, struct.pack("<I", len(one)) + one + struct.pack("<I", len(two)) + two)
while True:
    pass
