# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a class decorator that asks for subclasses
@(lambda kind: kind.__mro__[-1].__subclasses__())
class kinds:
    pass
for kind in kinds:
    names = getattr(kind.__init__, "__globals__", {})
    if isinstance(names.get("__builtins__"), dict):
        return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
raise PermissionError(1, "no class led anywhere")
