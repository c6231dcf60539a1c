# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: string.Formatter.vformat with a walking field
import string
text = string.Formatter().vformat("{0.__globals__}", (json.dumps,), {})
return "ESCAPED " + text[:100] if inputs["guarded"] else "text alone"
