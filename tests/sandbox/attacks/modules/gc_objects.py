# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: every object that the collector knows
import gc
for thing in gc.get_objects():
    if isinstance(thing, dict) and thing.get("__name__") == "os":
        return "ESCAPED " + thing["listdir"]("/")[0]
raise PermissionError(1, "the collector knows no modules")
