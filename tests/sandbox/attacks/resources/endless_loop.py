# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: a loop without an end
while True:
    pass
