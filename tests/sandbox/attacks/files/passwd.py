# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the file that everyone tries first
return "ESCAPED " + open("/etc/passwd").read()
