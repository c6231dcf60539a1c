# guard: CODE_SECURITY
# bare: -
# what: positional patterns read the attributes that __match_args__ names
class Mine:
    __match_args__ = ("__class__", "__reduce_ex__")
match Mine():
    case Mine(kind, reduce):
        return "ESCAPED from the guard: " + str(reduce) if inputs["guarded"] else "its own class"
