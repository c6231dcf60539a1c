# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the module that a built-in function is bound to
return "ESCAPED " + len.__self__.open(inputs["file"]).read()
