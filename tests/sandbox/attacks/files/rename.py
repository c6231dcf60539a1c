# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a file renamed into a directory that anyone may write to
import os
os.rename(inputs["other_file"], inputs["drop"] + "/moved")
return "ESCAPED it was moved"
