# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: object's own __getattribute__ through super()
class Mine:
    def go(self):
        return super().__getattribute__("__class__")
kind = Mine().go()
return "ESCAPED " + kind.go.__globals__["__builtins__"]["open"](inputs["file"]).read()
