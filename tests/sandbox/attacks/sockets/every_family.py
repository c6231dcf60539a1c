# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a socket of every family there is
import socket
for family in range(64):
    for kind in (1, 2, 3, 5, 10):
        try:
            socket.socket(family, kind)
            return "ESCAPED family %d kind %d" % (family, kind)
        except PermissionError as error:
            last = error
raise last
