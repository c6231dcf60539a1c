# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a symbolic link to what is to be read
import os
os.symlink(inputs["file"], inputs["drop"] + "/link")
return "ESCAPED it was made"
