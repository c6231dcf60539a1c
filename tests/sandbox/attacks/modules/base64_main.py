# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the command line inside base64
import base64
base64.main()
return "ESCAPED it ran"
