# guard: CODE_TIMEOUT|CODE_RUNTIME|CODE_MEMORY
# bare: CODE_TIMEOUT|CODE_RUNTIME|CODE_MEMORY
# what: a regular expression that is itself huge
import re
return str(re.compile("(" * 5000 + "a" + ")" * 5000))
