# guard: CODE_RUNTIME|CODE_TIMEOUT|CODE_CRASHED|-
# bare: CODE_RUNTIME|CODE_TIMEOUT|CODE_CRASHED|-
# what: recursion without an end, caught on every level
import itertools
counter = itertools.count()
def deeper():
    try:
        deeper()
    except RecursionError:
        if next(counter) < 100:
            deeper()
deeper()
return "harmless"
