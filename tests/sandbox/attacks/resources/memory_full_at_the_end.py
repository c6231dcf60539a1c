# guard: CODE_MEMORY|CODE_CRASHED|CODE_TIMEOUT|-
# bare: CODE_MEMORY|CODE_CRASHED|CODE_TIMEOUT|-
# what: memory filled to the last byte, then a result
kept = []
size = 1 << 24
while size > 16:
    try:
        kept.append(bytearray(size))
    except MemoryError:
        size //= 2
return [str(n) for n in range(1000)]
