# guard: CODE_SECURITY
# bare: -
# what: the code of a generator
code = (x for x in [1]).gi_code
return "ESCAPED from the guard" if inputs["guarded"] else str(code)[:5]
