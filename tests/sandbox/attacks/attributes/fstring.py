# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the same walk inside an f-string
return "ESCAPED " + f"{json.dumps.__globals__['__builtins__']['open'](inputs['file']).read()}"
