# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a packet socket
import socket
return "ESCAPED " + str(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
