# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: the type of functions without any private name
kind = type(lambda: 0)
return "harmless" if not inputs["guarded"] else "ESCAPED from the guard: " + str(kind(1, {}))
