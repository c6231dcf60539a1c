# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a code object with its names replaced
def read():
    return abs(path)
path = inputs["file"]
def outer():
    return abs
code = outer.__code__.replace(co_names=("open",))
outer.__code__ = code
return "ESCAPED " + outer()(inputs["file"]).read()
