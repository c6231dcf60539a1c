# guard: CODE_SECURITY
# bare: -
# what: a format_map field that walks attributes
text = "{f.__globals__[__builtins__]}".format_map({"f": json.dumps})
return "ESCAPED " + text[:100] if inputs["guarded"] else "text alone"
