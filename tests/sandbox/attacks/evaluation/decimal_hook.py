# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a context with traps and a subclass of Decimal, looking for the module
import decimal
class Number(decimal.Decimal):
    def __add__(self, other):
        return decimal.getcontext().__class__.__init__.__self__
print(decimal.localcontext(decimal.Context(prec=5)))
return "ESCAPED " + open(inputs["file"]).read() + str(Number(1) + 1)
