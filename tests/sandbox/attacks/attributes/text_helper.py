# guard: CODE_SECURITY|CODE_RUNTIME|-
# bare: -
# what: the helper that joins template values, called by name
made = ael_text__({"a": [1, None]})
return "harmless " + made
