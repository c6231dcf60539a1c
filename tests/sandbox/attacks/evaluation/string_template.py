# guard: CODE_SECURITY|CODE_RUNTIME|-
# bare: -
# what: a Template whose pattern reaches for attributes
import string
class Mine(string.Template):
    idpattern = r"[a-z_.]+"
return "harmless " + Mine("$x.__class__").safe_substitute({"x.__class__": "text"})
