# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the sys that dataclasses imported
import dataclasses
return "ESCAPED " + dataclasses.sys.modules["os"].listdir("/")[0]
