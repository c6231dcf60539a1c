# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a function of one's own code in another module's globals
made = type(lambda: 0)((lambda: open(path).read()).__code__, {"path": inputs["file"], "__builtins__": json.dumps.__globals__["__builtins__"]})
return "ESCAPED " + made()
