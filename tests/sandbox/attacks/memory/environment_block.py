# guard: CODE_SECURITY
# bare: -
# what: the environment of the process as C sees it
import ctypes
block = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
found = []
at = 0
while block and block[at]:
    found.append(block[at].decode())
    at += 1
leaked = [line for line in found if line.startswith((inputs["variable"], "HOME=", "PATH=", "USER=", "AEL_"))]
return "ESCAPED " + str(leaked) if leaked else "nothing of the host's"
