# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: getattr with a name put together when it runs
names = getattr(json.dumps, "".join(reversed("__slabolg__")))
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
