# guard: CODE_SECURITY
# bare: CODE_SECURITY|-
# what: a shell command
import os
status = os.system("echo > " + inputs["drop"] + "/x")
return "ESCAPED it ran" if status == 0 else "refused"
