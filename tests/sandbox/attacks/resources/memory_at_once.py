# guard: CODE_MEMORY
# bare: CODE_MEMORY
# what: one string larger than the limit
x = "a" * (1 << 40)
return "ESCAPED " + str(len(x))
