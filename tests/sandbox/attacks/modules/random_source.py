# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the system's random source and what is behind it
import random
return "ESCAPED " + random.SystemRandom.getrandbits.__globals__["_os"].listdir("/")[0]
