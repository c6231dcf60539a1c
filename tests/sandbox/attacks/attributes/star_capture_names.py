# guard: CODE_SECURITY
# bare: -
# what: the rest of a mapping pattern bound to a private name in a class body
class Mine:
    match {"a": 1, "b": 2}:
        case {"a": 1, **__annotations__}:
            pass
    match [1, 2]:
        case [1, *__getattr__]:
            pass
return "ESCAPED from the guard" if inputs["guarded"] else "its own class"
