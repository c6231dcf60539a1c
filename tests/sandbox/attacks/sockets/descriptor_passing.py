# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a descriptor sent through the channel
import array
import socket
import os
for descriptor in range(16):
    try:
        os.fstat(descriptor)
    except OSError:
        continue
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=descriptor)
    made.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
    return "ESCAPED it was sent"
raise PermissionError(1, "no channel")
