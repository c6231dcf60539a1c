# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the specification that every module carries
import re
return "ESCAPED " + re.__spec__.loader.get_data(inputs["file"]).decode()
