# guard: CODE_RUNTIME|CODE_CRASHED
# bare: CODE_RUNTIME|CODE_CRASHED
# what: a deep copy of a deeply nested list
import copy
deep = []
for _ in range(100_000):
    deep = [deep]
return len(copy.deepcopy(deep))
