# guard: CODE_SECURITY
# bare: -
# what: a format field that walks attributes
text = "{0.__globals__[__builtins__]}".format(json.dumps)
return "ESCAPED " + text[:100] if inputs["guarded"] else "text alone"
