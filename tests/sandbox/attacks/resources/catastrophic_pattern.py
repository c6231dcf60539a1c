# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: a regular expression that takes for ever
import re
return str(re.match(r"(a+)+$", "a" * 60 + "b"))
