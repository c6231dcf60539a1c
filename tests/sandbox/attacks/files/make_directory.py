# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a directory made and its permissions changed
import os
os.mkdir(inputs["drop"] + "/made")
return "ESCAPED it was made"
