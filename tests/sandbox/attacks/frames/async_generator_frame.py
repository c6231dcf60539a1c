# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the frame of an asynchronous generator
async def nothing():
    yield 1
return "ESCAPED " + nothing().ag_frame.f_builtins["open"](inputs["file"]).read()
