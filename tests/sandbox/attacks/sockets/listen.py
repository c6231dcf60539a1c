# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a server of one's own
import socket
return "ESCAPED " + str(socket.create_server(("127.0.0.1", 0)))
