# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a module that only C code may import
import locale
return "ESCAPED " + locale.os.listdir("/")[0]
