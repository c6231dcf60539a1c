# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the globals of a library function lead to open
return "ESCAPED " + json.dumps.__globals__["__builtins__"]["open"](inputs["file"]).read()
