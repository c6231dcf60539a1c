# guard: CODE_SECURITY|CODE_RUNTIME|-
# bare: CODE_RUNTIME|-
# what: the functional interface of Enum with private names
import enum
Made = enum.Enum("Made", ["__class__", "__init__", "open"])
names = [member.name for member in Made]
return "harmless " + str(names)
