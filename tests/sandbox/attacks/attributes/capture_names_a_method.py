# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a capture pattern in a class body defines a private method, and then any object matches
class Meta(type(int)):
    match (lambda cls, value: True):
        case __instancecheck__:
            pass
class Anything(metaclass=Meta):
    __match_args__ = ("__globals__",)
match json.dumps:
    case Anything(names):
        return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
