# guard: CODE_RUNTIME|CODE_CRASHED
# bare: CODE_RUNTIME|CODE_CRASHED
# what: two deeply nested lists compared
one, other = [], []
for _ in range(100_000):
    one, other = [one], [other]
return one == other
