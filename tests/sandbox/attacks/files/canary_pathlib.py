# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a readable file by pathlib
import pathlib
return "ESCAPED " + pathlib.Path(inputs["other_file"]).read_text()
