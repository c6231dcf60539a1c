# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_RUNTIME
# what: code in the name of a field of a dataclass
import dataclasses
Made = dataclasses.make_dataclass("Made", ["x=open('/etc/passwd').read()"])
return "ESCAPED " + str(Made())
