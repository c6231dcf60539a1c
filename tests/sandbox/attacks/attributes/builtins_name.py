# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the name under which every frame keeps its builtins
table = __builtins__
return "ESCAPED " + table["open"](inputs["file"]).read()
