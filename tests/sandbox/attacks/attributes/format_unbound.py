# guard: CODE_SECURITY
# bare: -
# what: str.format called through the class and passed to map
text = list(map(str.format, ["{0.__globals__}"], [json.dumps]))[0]
return "ESCAPED " + text[:100] if inputs["guarded"] else "text alone"
