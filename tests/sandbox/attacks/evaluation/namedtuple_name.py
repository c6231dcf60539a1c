# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_RUNTIME
# what: code in the name of a field of a namedtuple
import collections
Made = collections.namedtuple("Made", ["x=open(inputs['file']).read()"])
return "ESCAPED " + str(Made())
