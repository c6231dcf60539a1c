# guard: CODE_TIMEOUT|CODE_MEMORY|CODE_SYNTAX
# bare: CODE_TIMEOUT|CODE_MEMORY|CODE_SYNTAX
# what: the same as a constant that a compiler may fold
return 9 ** 9 ** 9
