# guard: CODE_TIMEOUT|-
# bare: CODE_TIMEOUT|-
# what: a dictionary whose keys all collide
class Key:
    def __hash__(self):
        return 1
    def __eq__(self, other):
        return self is other
table = {}
for number in range(1_000):
    table[Key()] = number
return "harmless"
