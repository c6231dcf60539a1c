# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: one's own memory as a file, to write to code
with open("/proc/self/mem", "r+b", 0) as file:
    return "ESCAPED it was opened"
