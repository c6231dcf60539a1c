# guard: CODE_SECURITY
# bare: -
# what: the stack above the environment, where arguments stand
import ctypes
block = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
top = (block[0] | 4095) + 1
stack = ctypes.string_at(block[0] - 4096, top - block[0] + 4096)
return "ESCAPED the host's variable" if inputs["variable"].encode() in stack else "its own stack"
