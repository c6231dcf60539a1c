# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the types that copy imported
import copy
made = copy.types.FunctionType((lambda: open(inputs["file"]).read()).__code__, {"__builtins__": __builtins__, "inputs": inputs})
return "ESCAPED " + made()
