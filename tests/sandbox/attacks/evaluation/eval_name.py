# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: eval by its name
return "ESCAPED " + eval("open(path).read()", {"path": inputs["file"]})
