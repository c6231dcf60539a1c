# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the traceback of an exception's context
try:
    try:
        json.loads("{")
    except ValueError:
        raise KeyError("k")
except KeyError as error:
    frame = error.__context__.__traceback__.tb_next.tb_frame
return "ESCAPED " + frame.f_globals["__builtins__"]["open"](inputs["file"]).read()
