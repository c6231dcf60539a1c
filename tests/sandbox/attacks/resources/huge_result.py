# guard: RESOURCE_EXHAUSTED
# bare: RESOURCE_EXHAUSTED
# what: a result above its limit
return "x" * (2 << 20)
