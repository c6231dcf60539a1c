# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a socket of the kernel's crypto interface
import socket
return "ESCAPED " + str(socket.socket(38, socket.SOCK_SEQPACKET))
