# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: an exception with a huge text
raise ValueError("x" * (10 << 20))
