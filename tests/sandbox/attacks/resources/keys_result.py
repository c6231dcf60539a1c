# guard: OUTPUT_INVALID
# bare: OUTPUT_INVALID
# what: keys that are no strings
return {1: 2, None: 3}
