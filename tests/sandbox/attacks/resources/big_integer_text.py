# guard: CODE_RUNTIME|CODE_TIMEOUT
# bare: CODE_RUNTIME|CODE_TIMEOUT
# what: an integer of many digits as text
n = 10
return str(n ** 1_000_000)
