# guard: CODE_SECURITY
# bare: -
# what: a class made by type() with three arguments
made = type("Made", (), {"__getattr__": lambda self, name: "got " + name})
return "ESCAPED from the guard: " + made().x if inputs["guarded"] else made().x
