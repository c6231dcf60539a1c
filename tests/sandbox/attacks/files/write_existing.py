# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: an existing file cut to nothing
import os
os.truncate(inputs["other_file"], 0)
return "ESCAPED it was cut"
