# guard: CODE_CRASHED|CODE_RUNTIME|CODE_MEMORY
# bare: CODE_CRASHED|CODE_RUNTIME|CODE_MEMORY
# what: recursion in C code, by nested chains
import itertools
chain = iter([])
for _ in range(300_000):
    chain = itertools.chain(chain, [])
return list(chain)
