# guard: CODE_SECURITY
# bare: -
# what: a signal to a thread of another process
# machine: x86_64
import ctypes
sent = ctypes.CDLL(None).syscall(234, inputs["process"], inputs["process"], 9)
return "refused" if sent else "ESCAPED"
