# guard: CODE_SECURITY
# bare: -
# what: a variable of the host's environment
import os
return "ESCAPED " + os.environ[inputs["variable"]] if inputs["variable"] in os.environ else "nothing of the host's"
