# guard: OUTPUT_INVALID
# bare: OUTPUT_INVALID
# what: an object as a result
class Mine:
    pass
return Mine()
