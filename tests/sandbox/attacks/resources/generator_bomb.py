# guard: CODE_TIMEOUT|CODE_MEMORY|CODE_CRASHED
# bare: CODE_TIMEOUT|CODE_MEMORY|CODE_CRASHED
# what: classes without an end
kept = []
while True:
    class Made:
        pass
    kept.append(Made)
