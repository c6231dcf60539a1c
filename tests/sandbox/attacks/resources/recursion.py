# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: recursion without an end
def deeper():
    return deeper()
deeper()
