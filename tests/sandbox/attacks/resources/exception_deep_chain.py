# guard: CODE_RUNTIME|CODE_TIMEOUT|CODE_CRASHED
# bare: CODE_RUNTIME|CODE_TIMEOUT|CODE_CRASHED
# what: an exception with a hundred thousand causes
last = ValueError("first")
for _ in range(100_000):
    made = ValueError("next")
    made.__cause__ = last
    last = made
raise last
