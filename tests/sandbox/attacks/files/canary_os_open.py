# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a readable file by its descriptor
import os
return "ESCAPED " + os.read(os.open(inputs["other_file"], os.O_RDONLY), 100).decode()
