# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the os that random imported
import random
return "ESCAPED " + random._os.listdir("/")[0]
