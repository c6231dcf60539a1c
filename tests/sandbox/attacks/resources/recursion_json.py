# guard: CODE_RUNTIME|CODE_CRASHED
# bare: CODE_RUNTIME|CODE_CRASHED
# what: a deeply nested text decoded
return len(json.loads("[" * 1_000_000 + "]" * 1_000_000))
