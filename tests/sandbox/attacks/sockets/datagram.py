# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a datagram to the host
import socket
return "ESCAPED " + str(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", inputs["port"])))
