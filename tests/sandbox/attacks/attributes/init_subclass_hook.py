# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a hook that runs when a class is made
class Base:
    def __init_subclass__(cls):
        cls.names = cls.__init_subclass__.__func__.__globals__
class Derived(Base):
    pass
return "ESCAPED " + Derived.names["__builtins__"]["open"](inputs["file"]).read()
