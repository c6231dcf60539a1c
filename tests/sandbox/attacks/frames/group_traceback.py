# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the tracebacks inside an exception group
try:
    raise ExceptionGroup("g", [ValueError("x")])
except* ValueError as group:
    frame = group.__traceback__.tb_frame
return "ESCAPED " + frame.f_builtins["open"](inputs["file"]).read()
