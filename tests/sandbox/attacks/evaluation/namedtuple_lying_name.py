# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_RUNTIME
# what: a field name of a namedtuple that lies about being an identifier
import collections
class Name(str):
    def isidentifier(self):
        return True
    def __str__(self):
        return self
Made = collections.namedtuple("Made", [Name("x=print('run')")])
return "ESCAPED " + str(Made())
