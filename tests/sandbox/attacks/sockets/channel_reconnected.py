# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the one descriptor there is, connected elsewhere
# machine: x86_64
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
address = b"\x01\x00\x00" + inputs["abstract"].encode()
for descriptor in range(16):
    if libc.syscall(42, descriptor, address, len(address)) == 0:
        return "ESCAPED connected"
raise PermissionError(1, "refused")
