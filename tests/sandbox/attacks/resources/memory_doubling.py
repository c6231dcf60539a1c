# guard: CODE_MEMORY
# bare: CODE_MEMORY
# what: a list that doubles, and an error handler that goes on
kept = [0]
while True:
    try:
        kept = kept + kept
    except MemoryError:
        raise
