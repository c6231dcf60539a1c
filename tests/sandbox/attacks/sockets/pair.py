# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a pair of sockets
import socket
return "ESCAPED " + str(socket.socketpair())
