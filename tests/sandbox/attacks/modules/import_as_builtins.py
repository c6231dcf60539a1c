# guard: CODE_SECURITY
# bare: CODE_RUNTIME|-
# what: an import bound to a name of the machinery
import json as __builtins__
return "ESCAPED from the guard" if inputs["guarded"] else "its own name"
