# guard: OUTPUT_INVALID|CODE_RUNTIME|CODE_CRASHED|-
# bare: OUTPUT_INVALID|CODE_RUNTIME|CODE_CRASHED|-
# what: a result that is another one the second time
class Changing(dict):
    looks = 0
    def items(self):
        Changing.looks += 1
        return [("a", 1)] if Changing.looks == 1 else [("a", float("nan"))]
return Changing(a=1)
