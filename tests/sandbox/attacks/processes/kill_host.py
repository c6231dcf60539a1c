# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal to the host
import os
os.kill(inputs["host"], 9)
return "ESCAPED"
