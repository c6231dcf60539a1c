# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the builtins that enum imported
import enum
return "ESCAPED " + enum.bltns.open(inputs["file"]).read()
