# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a field name of a dataclass that lies about being an identifier is executed
import dataclasses
class Name(str):
    def isidentifier(self):
        return True
name = Name("x: open(%r).read()" % inputs["file"])
Made = dataclasses.make_dataclass("Made", [(name, int, dataclasses.field(init=False))], eq=False, repr=False)
return "ESCAPED the field's name was run"
