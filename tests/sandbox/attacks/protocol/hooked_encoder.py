# guard: CODE_RUNTIME|CODE_SECURITY|OUTPUT_INVALID
# bare: CODE_CRASHED|CODE_RUNTIME
# what: the worker's own encoder replaced, so that it writes something else
class Hooked:
    def __str__(self):
        return '1, "result": 2, "t": "error"'
if not inputs["guarded"]:
    json.dumps.__globals__["_default_encoder"].encode = lambda value: "]"
    json.dumps.__globals__["JSONEncoder"].encode = lambda self, value: "]"
return Hooked() if inputs["guarded"] else [1]
