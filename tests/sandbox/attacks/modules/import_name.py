# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: __import__ by its name
return "ESCAPED " + __import__("os").listdir("/")[0]
