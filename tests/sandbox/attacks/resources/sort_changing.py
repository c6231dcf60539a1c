# guard: CODE_RUNTIME|CODE_TIMEOUT|-
# bare: CODE_RUNTIME|CODE_TIMEOUT|-
# what: a list changed while it is sorted
kept = []
class Key:
    def __lt__(self, other):
        kept.clear()
        kept.append(self)
        return True
kept.extend(Key() for _ in range(100))
kept.sort()
return "harmless"
