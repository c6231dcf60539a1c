# guard: RESOURCE_EXHAUSTED
# bare: RESOURCE_EXHAUSTED
# what: a result of very many small parts, below its limit of bytes
return [[] for _ in range(300_000)]
