# guard: CODE_SECURITY
# bare: -
# what: the generator that another one waits for
def inner():
    yield 1
def outer():
    yield from inner()
running = outer()
next(running)
return "ESCAPED from the guard: " + str(running.gi_yieldfrom) if inputs["guarded"] else "its own frame"
