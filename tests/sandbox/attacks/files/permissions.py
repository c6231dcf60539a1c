# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: permissions and owner of a file changed
import os
os.chmod(inputs["other_file"], 0o777)
return "ESCAPED they were changed"
