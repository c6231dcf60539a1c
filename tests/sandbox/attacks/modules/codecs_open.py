# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: codecs.open
import codecs
return "ESCAPED " + codecs.open(inputs["file"]).read()
