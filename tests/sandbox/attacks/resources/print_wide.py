# guard: -|CODE_CRASHED
# bare: -|CODE_CRASHED
# what: text printed whose JSON is twelve times as long
print("\U0001f600" * (1 << 20))
return "harmless"
