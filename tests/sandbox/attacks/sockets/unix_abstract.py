# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a Unix socket by its abstract name
import socket
made = socket.socket(socket.AF_UNIX)
made.connect("\0" + inputs["abstract"])
return "ESCAPED connected"
