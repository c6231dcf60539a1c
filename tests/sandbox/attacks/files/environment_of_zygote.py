# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the environment of the process that makes children
import os
for pid in (inputs["zygote"], 1, os.getpid()):
    try:
        return "ESCAPED " + open(f"/proc/{pid}/environ").read()
    except PermissionError as error:
        last = error
raise last
