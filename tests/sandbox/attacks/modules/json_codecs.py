# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: json, its codecs, their builtins
import json as module
return "ESCAPED " + module.codecs.builtins.open(inputs["file"]).read()
