# guard: CODE_SECURITY
# bare: -
# what: a readable file by linecache
import linecache
lines = linecache.getlines(inputs["other_file"])
return "ESCAPED " + lines[0] if lines else "nothing"
