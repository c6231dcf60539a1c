# guard: OUTPUT_INVALID|CODE_RUNTIME|CODE_CRASHED|-
# bare: OUTPUT_INVALID|CODE_RUNTIME|CODE_CRASHED|-
# what: the same, inside a list that says it is empty
class Hidden(list):
    def __iter__(self):
        return iter(())
deep = []
for _ in range(500):
    deep = Hidden([deep])
return deep
