# guard: CODE_SECURITY
# bare: CODE_CRASHED
# what: the defaults of a library function replaced
json.dumps.__kwdefaults__["cls"] = int
return "ESCAPED from the guard" if inputs["guarded"] else "its own process"
