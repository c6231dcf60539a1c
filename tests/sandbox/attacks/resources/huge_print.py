# guard: -
# bare: -
# what: more printed than anyone reads
for _ in range(100):
    print("x" * 100_000)
return "harmless"
