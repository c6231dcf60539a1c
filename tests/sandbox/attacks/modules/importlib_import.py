# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: importlib by its name
import importlib
return "ESCAPED " + importlib.import_module("os").listdir("/")[0]
