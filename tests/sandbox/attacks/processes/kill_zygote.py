# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal to the process that makes children
import os
os.kill(inputs["zygote"], 9)
return "ESCAPED"
