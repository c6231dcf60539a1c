# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the code of a library function replaced by one's own
def read(*values, **more):
    return codecs.open(values[0]).read()
json.loads.__code__ = read.__code__
import json as module
return "ESCAPED " + module.loads(inputs["file"]) if inputs["guarded"] else "ESCAPED " + open(inputs["file"]).read()
