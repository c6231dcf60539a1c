# guard: CODE_SECURITY
# bare: -
# what: a private method that a class is not to define
class Mine:
    def __class_getitem__(cls, key):
        return cls
    def __del__(self):
        print("deleted")
return "ESCAPED from the guard" if inputs["guarded"] else "its own class"
