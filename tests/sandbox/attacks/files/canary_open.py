# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a readable file by open
return "ESCAPED " + open(inputs["other_file"]).read()
