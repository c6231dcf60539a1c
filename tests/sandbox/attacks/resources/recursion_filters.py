# guard: CODE_CRASHED|CODE_RUNTIME|CODE_MEMORY
# bare: CODE_CRASHED|CODE_RUNTIME|CODE_MEMORY
# what: recursion in C code, by nested maps
chain = iter([1])
for _ in range(300_000):
    chain = map(str, chain)
return list(chain)
