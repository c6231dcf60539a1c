# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a Unix socket by its path
import socket
made = socket.socket(socket.AF_UNIX)
made.connect(inputs["unix"])
return "ESCAPED connected"
