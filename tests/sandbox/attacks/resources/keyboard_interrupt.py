# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: KeyboardInterrupt
raise KeyboardInterrupt
