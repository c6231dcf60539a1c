# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal to a process of the same user
import os
os.kill(inputs["process"], 9)
return "ESCAPED"
