# guard: CODE_MEMORY|CODE_TIMEOUT|CODE_CRASHED
# bare: CODE_MEMORY|CODE_TIMEOUT|CODE_CRASHED
# what: memory filled for ever, every error caught
kept = []
while True:
    try:
        kept.append(bytearray(1 << 20))
    except BaseException:
        pass
