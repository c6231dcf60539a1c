# guard: CODE_SECURITY
# bare: CODE_RUNTIME|CODE_SECURITY
# what: a directory put on the path that modules are found on
import sys
sys.path.insert(0, inputs["drop"])
sys.path_importer_cache.clear()
import canary
return "ESCAPED " + str(canary)
