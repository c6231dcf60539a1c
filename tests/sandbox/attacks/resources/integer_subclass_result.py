# guard: OUTPUT_INVALID|CODE_RUNTIME|CODE_CRASHED|-
# bare: OUTPUT_INVALID|CODE_RUNTIME|CODE_CRASHED|-
# what: an integer beyond 64 bits in a class of its own
class Number(int):
    pass
return Number(10 ** 400)
