# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the guard's own helper for format fields, called by name
return "ESCAPED " + ael_format__(json.dumps, "__globals__")["__builtins__"]["open"](inputs["file"]).read()
