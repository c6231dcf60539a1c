# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: exec by its name
names = {"path": inputs["file"]}
exec("text = open(path).read()", names)
return "ESCAPED " + names["text"]
