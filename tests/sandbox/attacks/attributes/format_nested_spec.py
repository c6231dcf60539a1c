# guard: CODE_SECURITY
# bare: -
# what: a field hidden in the width of another field
class Shown:
    def __format__(self, spec):
        return spec
text = "{0:{1.__globals__}}".format(Shown(), json.dumps)
return "ESCAPED " + text[:100] if inputs["guarded"] else "text alone"
