# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a name resolved
import socket
return "ESCAPED " + str(socket.getaddrinfo("example.com", 80))
