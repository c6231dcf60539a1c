# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: compile by its name
code = compile("open(path).read()", "x", "eval")
return "ESCAPED " + eval(code, {"path": inputs["file"]})
