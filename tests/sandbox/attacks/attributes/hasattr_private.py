# guard: CODE_SECURITY
# bare: -
# what: hasattr as an oracle for private names
found = hasattr(json.dumps, "__globals__")
return "ESCAPED from the guard" if inputs["guarded"] else "its own process"
