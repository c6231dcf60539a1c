# guard: -
# bare: -
# what: text printed whose JSON is six times as long
print("\x00" * (1 << 20))
return "harmless"
