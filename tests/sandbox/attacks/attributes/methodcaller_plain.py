# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: operator.methodcaller with a private name
import operator
names = operator.methodcaller("__getattribute__", "__globals__")(json.dumps)
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
