# guard: CODE_MEMORY|CODE_TIMEOUT
# bare: CODE_MEMORY|CODE_TIMEOUT
# what: many small objects
kept = []
while True:
    kept.append("a" * 10000 + str(len(kept)))
