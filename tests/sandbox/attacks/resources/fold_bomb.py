# guard: -|CODE_SYNTAX|CODE_MEMORY|CODE_TIMEOUT
# bare: -|CODE_SYNTAX|CODE_MEMORY|CODE_TIMEOUT
# what: constants that a compiler multiplies
x = ('a' * 4000, 'b' * 4000) * 60
y = (1 << 127) ** 100 ** 2
z = 'x' * 10 ** 9
return 'harmless'
