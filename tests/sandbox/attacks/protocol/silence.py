# guard: CODE_SECURITY
# bare: CODE_TIMEOUT
# what: a length, then silence
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
os.write(channel, struct.pack("<I", 1000))
import time
time.sleep(100)
