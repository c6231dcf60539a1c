# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a class pattern with a private keyword
match json.dumps:
    case object(__globals__=names):
        return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
