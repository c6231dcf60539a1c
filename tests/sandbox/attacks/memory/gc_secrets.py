# guard: CODE_SECURITY
# bare: -
# what: every string in the interpreter searched for what belongs to the host
import gc
import sys
strings = [thing for thing in gc.get_objects() if isinstance(thing, str)]
for thing in gc.get_objects():
    if type(thing) is dict:
        strings += [part for part in (*thing.keys(), *thing.values()) if type(part) is str]
mine = inputs["variable"]
found = [part for part in strings if mine in part and part is not mine]
return "ESCAPED " + found[0] if any(len(part) > len(mine) and part.startswith(mine) for part in found) else "nothing of the host's"
