# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: attrgetter with a subclass of str that splits into something else
import operator
class Name(str):
    def split(self, *separators):
        return ["real"]
names = operator.attrgetter(Name("__globals__"))(json.dumps)
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
