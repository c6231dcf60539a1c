# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: object hooks of a decoder run with what they were given
found = json.loads('{"__class__": "os.system"}', object_hook=lambda value: getattr(json.dumps, "__globals__")) if not inputs["guarded"] else json.JSONDecoder(object_hook=lambda value: getattr(json.dumps, "__globals__")).decode('{"a": 1}')
return "ESCAPED " + found["__builtins__"]["open"](inputs["file"]).read()
