# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a netlink socket
import socket
return "ESCAPED " + str(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
