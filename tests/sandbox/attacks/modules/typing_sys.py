# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the sys that typing imported
import typing
return "ESCAPED " + typing.sys.modules["os"].listdir("/")[0]
