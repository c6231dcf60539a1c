# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: a class of the library, shared by all steps of a child, is written to
import string
string.Formatter.hooked = lambda self: 1
return "ESCAPED from the guard: a library class can be written" if inputs["guarded"] else "its own process"
