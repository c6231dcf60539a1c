# guard: CODE_SECURITY
# bare: -
# what: a class pattern that takes the format method off a string
match "{0.__globals__}":
    case str(format=method):
        text = method(json.dumps)
return "ESCAPED " + text[:100] if inputs["guarded"] else "text alone"
