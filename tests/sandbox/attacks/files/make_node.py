# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a named pipe and a device node
import os
os.mkfifo(inputs["drop"] + "/pipe")
return "ESCAPED it was made"
