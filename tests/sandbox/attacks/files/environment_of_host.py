# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the environment of the host
return "ESCAPED " + open("/proc/%d/environ" % inputs["host"]).read()
