# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the namespace of a class through __dict__
names = type(steps).__dict__["__missing__"].__globals__
return "ESCAPED " + names["builtins"].open(inputs["file"]).read()
