# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the callback of re.sub is given a match whose re module is asked for
import re
return "ESCAPED " + re.sub("x", lambda match: match.re.sub.__self__.__class__.__module__ and open(inputs["file"]).read(), "x")
