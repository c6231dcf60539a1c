# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a file removed
import os
os.unlink(inputs["other_file"])
return "ESCAPED it was removed"
