# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the way up from the working directory
import os
os.chdir("..")
return "ESCAPED " + str(os.listdir("."))
