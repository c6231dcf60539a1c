# guard: CODE_SECURITY
# bare: -
# what: memoryview by its name
view = memoryview(b"abc")
return "ESCAPED from the guard" if inputs["guarded"] else "its own bytes"
