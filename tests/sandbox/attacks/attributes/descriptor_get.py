# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the descriptor of an attribute, called by hand
reader = type(json.dumps).__dict__["__globals__"].__get__
return "ESCAPED " + reader(json.dumps)["__builtins__"]["open"](inputs["file"]).read()
