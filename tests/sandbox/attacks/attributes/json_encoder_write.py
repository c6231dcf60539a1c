# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: the encoder class that later steps use is written to
json.JSONEncoder.default = lambda self, value: "hooked"
return "ESCAPED from the guard: later steps see a changed json" if inputs["guarded"] else "its own process"
