# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the type of functions, which dataclasses exports
from dataclasses import FunctionType
made = FunctionType((lambda: open(path).read()).__code__, {"path": inputs["file"]})
return "ESCAPED " + made()
