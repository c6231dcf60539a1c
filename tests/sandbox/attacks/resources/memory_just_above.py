# guard: CODE_MEMORY
# bare: CODE_MEMORY
# what: one block a little larger than the limit
x = bytearray(140 << 20)
return "ESCAPED " + str(len(x))
