# guard: CODE_TIMEOUT|-
# bare: CODE_TIMEOUT|-
# what: many lines logged with fields of any name
for number in range(200_000):
    log("m", **{"field": number, "\n": "x"})
return "harmless"
