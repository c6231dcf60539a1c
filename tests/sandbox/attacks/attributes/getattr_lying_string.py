# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: getattr with a subclass of str that lies about its beginning
class Name(str):
    def startswith(self, *prefixes):
        return False
names = getattr(json.dumps, Name("__globals__"))
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
