# guard: -
# bare: -
# what: half a character printed
print("\ud800")
return "harmless"
