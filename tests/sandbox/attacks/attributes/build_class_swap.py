# guard: CODE_SECURITY
# bare: -
# what: the builtin that builds classes, by name
made = __build_class__(lambda: None, "Made")
return "ESCAPED from the guard" if inputs["guarded"] else "its own class"
