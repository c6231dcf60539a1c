# guard: OUTPUT_INVALID
# bare: OUTPUT_INVALID
# what: an integer beyond 64 bits as a result
return 2 ** 64
