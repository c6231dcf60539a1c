# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a TCP connection to the host
import socket
socket.create_connection(("127.0.0.1", inputs["port"]), 1).sendall(b"x")
return "ESCAPED connected"
