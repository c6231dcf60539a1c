# guard: CODE_MEMORY
# bare: CODE_MEMORY
# what: MemoryError raised by hand
raise MemoryError("no")
