# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: execve, in place of us
import os
os.execv("/bin/sh", ["sh", "-c", "echo > " + inputs["drop"] + "/x"])
return "ESCAPED"
