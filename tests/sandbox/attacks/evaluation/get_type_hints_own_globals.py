# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: typing.get_type_hints evaluates what the guard never saw
import typing
def annotated(x: "json.dumps.__globals__['__builtins__']['open']"):
    pass
read = typing.get_type_hints(annotated)["x"]
return "ESCAPED " + read(inputs["file"]).read()
