# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the process made traceable, and free of its parent
import ctypes
libc = ctypes.CDLL(None)
done = [libc.prctl(4, 1, 0, 0, 0), libc.prctl(1, 0, 0, 0, 0)]
return "ESCAPED " + str(done)
