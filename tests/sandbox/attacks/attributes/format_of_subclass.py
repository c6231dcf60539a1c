# guard: CODE_SECURITY
# bare: -
# what: format reached through super() of a subclass of str
class Text(str):
    def go(self, *values):
        return super().format(*values)
text = Text("{0.__globals__}").go(json.dumps)
return "ESCAPED " + text[:100] if inputs["guarded"] else "text alone"
