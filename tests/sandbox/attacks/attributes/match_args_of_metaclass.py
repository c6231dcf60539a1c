# guard: CODE_SECURITY
# bare: -
# what: __match_args__ of a metaclass reads the subclasses of a class
class Meta(type(int)):
    __match_args__ = ("__subclasses__", "__base__")
class Mine(metaclass=Meta):
    pass
match Mine:
    case Meta(subclasses, base):
        return "ESCAPED from the guard: " + str(subclasses) if inputs["guarded"] else "its own class"
