# guard: CODE_SECURITY
# bare: CODE_CRASHED|CODE_RUNTIME|CODE_SECURITY|CODE_TIMEOUT|CODE_MEMORY
# what: bytecode that reads beyond its constants
def outer():
    return 1
outer.__code__ = outer.__code__.replace(co_consts=(), co_code=bytes([151, 0, 100, 250, 83, 0]))
return "harmless " + str(type(outer()))
