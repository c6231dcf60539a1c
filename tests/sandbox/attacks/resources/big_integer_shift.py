# guard: CODE_MEMORY|CODE_RUNTIME
# bare: CODE_MEMORY|CODE_RUNTIME
# what: an integer shifted beyond memory
one = 1
return (one << (1 << 40)) > 1
