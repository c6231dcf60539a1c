# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: a module is written to, for later steps
import re
re.compile = lambda pattern: "hooked"
return "ESCAPED from the guard" if inputs["guarded"] else "its own process"
