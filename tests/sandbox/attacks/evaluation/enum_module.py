# guard: CODE_SECURITY|CODE_RUNTIME|-
# bare: -
# what: the functional interface of Enum with a module of one's choice
import enum
Made = enum.Enum("Made", "A B", module="os", qualname="system")
return "harmless " + repr(Made.A)
