# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the journal that an execution is written to
with open(inputs["journal"], "a") as file:
    file.write("forged\n")
return "ESCAPED the journal was written"
