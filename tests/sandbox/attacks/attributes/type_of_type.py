# guard: CODE_SECURITY
# bare: -
# what: the real type behind the one-argument type()
real = type(type(1))
made = real("Made", (), {"__getattr__": lambda self, name: "got " + name})
return "ESCAPED from the guard: " + made().x if inputs["guarded"] else made().x
