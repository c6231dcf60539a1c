# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a TCP socket of version 6
import socket
return "ESCAPED " + str(socket.socket(socket.AF_INET6).connect_ex(("::1", inputs["port"])))
