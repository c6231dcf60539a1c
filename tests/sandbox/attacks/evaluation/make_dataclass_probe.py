# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_RUNTIME|-
# what: the same, with a name whose execution shows
import dataclasses
class Name(str):
    def isidentifier(self):
        return True
Made = dataclasses.make_dataclass("Made", [Name("x=len.__self__, y")], eq=False, repr=False, init=True)
return "ESCAPED from the guard: the field's name was run" if inputs["guarded"] else "its own process"
