# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a new file in a directory that anyone may write to
with open(inputs["drop"] + "/new", "w") as file:
    file.write("here")
return "ESCAPED it was written"
