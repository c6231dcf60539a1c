# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: vars() of a module
import re
return "ESCAPED " + vars(re)["__builtins__"]["open"](inputs["file"]).read()
