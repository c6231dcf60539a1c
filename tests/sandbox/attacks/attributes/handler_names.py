# guard: CODE_SECURITY
# bare: -
# what: an exception bound to a private name
try:
    raise ValueError("x")
except ValueError as __builtins__:
    pass
return "ESCAPED from the guard" if inputs["guarded"] else "its own name"
