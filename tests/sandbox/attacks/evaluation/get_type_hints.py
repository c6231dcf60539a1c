# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: typing.get_type_hints evaluates annotations with the real builtins
import typing
def annotated(x: "lambda path: open(path).read()"):
    pass
read = typing.get_type_hints(annotated, {}, {})["x"]
return "ESCAPED " + read(inputs["file"])
