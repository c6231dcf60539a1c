# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: operator.attrgetter with a private name
import operator
return "ESCAPED " + operator.attrgetter("__globals__")(json.dumps)["__builtins__"]["open"](inputs["file"]).read()
