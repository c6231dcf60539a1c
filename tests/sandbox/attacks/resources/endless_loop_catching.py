# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: a loop that catches everything that could end it
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
    finally:
        continue
