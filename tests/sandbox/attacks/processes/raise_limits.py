# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: limits raised by the library for them
import resource
resource.setrlimit(resource.RLIMIT_NPROC, (1000, 1000))
return "ESCAPED"
