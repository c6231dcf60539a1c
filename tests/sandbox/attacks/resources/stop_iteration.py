# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: StopIteration with a value, out of the coroutine
raise StopIteration("ESCAPED")
