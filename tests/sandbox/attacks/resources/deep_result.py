# guard: OUTPUT_INVALID
# bare: OUTPUT_INVALID
# what: a result nested a thousand levels deep
deep = []
for _ in range(1000):
    deep = [deep]
return deep
