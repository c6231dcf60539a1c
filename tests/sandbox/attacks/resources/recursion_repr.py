# guard: CODE_RUNTIME|CODE_CRASHED
# bare: CODE_RUNTIME|CODE_CRASHED
# what: the text of a deeply nested list
deep = []
for _ in range(100_000):
    deep = [deep]
return repr(deep)
