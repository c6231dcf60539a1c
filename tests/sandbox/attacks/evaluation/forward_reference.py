# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a ForwardRef evaluated by hand
import typing
read = typing.ForwardRef("lambda path: open(path).read()")._evaluate({}, {}, frozenset())
return "ESCAPED " + read(inputs["file"])
