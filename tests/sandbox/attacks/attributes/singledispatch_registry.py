# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the registry of a generic function leads to its wrapper's globals
import functools
@functools.singledispatch
def generic(value):
    return value
names = generic.dispatch.__globals__
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
