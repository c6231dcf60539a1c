# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a raw socket
import socket
return "ESCAPED " + str(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
