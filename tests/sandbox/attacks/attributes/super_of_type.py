# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: super() with two arguments as a way around names
class Mine:
    def go(self):
        return 1
walker = super(Mine, Mine()).__init__.__self__.go
return "ESCAPED " + walker.__globals__["__builtins__"]["open"](inputs["file"]).read()
