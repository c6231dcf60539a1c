# guard: CODE_SYNTAX|CODE_RUNTIME|CODE_TIMEOUT|CODE_MEMORY|RESOURCE_EXHAUSTED|-
# bare: CODE_SYNTAX|CODE_RUNTIME|CODE_TIMEOUT|CODE_MEMORY|RESOURCE_EXHAUSTED|-
# what: lists in lists in lists, by comprehension
return [[[[[[[[[[[[[[[[[[1 for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)] for _ in range(2)]
