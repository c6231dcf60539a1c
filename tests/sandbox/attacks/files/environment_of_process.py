# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the environment in /proc/self
return "ESCAPED " + open("/proc/self/environ").read()
