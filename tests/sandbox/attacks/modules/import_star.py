# guard: CODE_SECURITY|CODE_SYNTAX
# bare: CODE_SYNTAX
# what: all names of a module at once
from json import *
return "ESCAPED " + codecs.open(inputs["file"]).read()
