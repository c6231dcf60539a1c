# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a hard link to what is to be read
import os
os.link(inputs["other_file"], inputs["drop"] + "/link")
return "ESCAPED it was made"
