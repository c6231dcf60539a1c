# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: object.__getattribute__ called through the class
return "ESCAPED " + object.__getattribute__(json.dumps, "__globals__")["__builtins__"]["open"](inputs["file"]).read()
