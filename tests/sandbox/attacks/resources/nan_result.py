# guard: OUTPUT_INVALID
# bare: OUTPUT_INVALID
# what: no number as a result
return {"a": [float("nan")]}
