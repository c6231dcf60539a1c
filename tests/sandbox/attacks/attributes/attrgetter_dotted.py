# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: operator.attrgetter with a private name behind a dot
import operator
class Box:
    pass
box = Box()
box.function = json.dumps
names = operator.attrgetter("function.__globals__")(box)
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
