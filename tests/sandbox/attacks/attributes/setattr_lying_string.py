# guard: CODE_SECURITY
# bare: -
# what: setattr of a private name by a lying subclass of str
class Name(str):
    def startswith(self, *prefixes):
        return False
class Mine:
    pass
setattr(Mine, Name("__getattr__"), lambda self, name: "set " + name)
return "ESCAPED from the guard" if inputs["guarded"] and Mine().x == "set x" else "its own class"
