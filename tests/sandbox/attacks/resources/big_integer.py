# guard: CODE_TIMEOUT|CODE_MEMORY
# bare: CODE_TIMEOUT|CODE_MEMORY
# what: a power of a power of nine
n = 9
return "ESCAPED " + str(n ** n ** n > 1)
