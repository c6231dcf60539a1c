# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the working directory and what is in it
import os
return "ESCAPED " + os.getcwd() + str(os.listdir("."))
