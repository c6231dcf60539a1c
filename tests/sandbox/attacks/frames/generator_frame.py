# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the frame of a generator leads to its caller
def gen():
    yield running.gi_frame.f_back
running = gen()
frame = next(running)
while frame.f_back:
    frame = frame.f_back
return "ESCAPED " + frame.f_globals["__builtins__"]["open"](inputs["file"]).read() if isinstance(frame.f_globals["__builtins__"], dict) else frame.f_globals["__builtins__"].open(inputs["file"]).read()
