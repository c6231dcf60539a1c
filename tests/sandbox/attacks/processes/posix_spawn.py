# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: posix_spawn
import os
return "ESCAPED " + str(os.posix_spawn("/bin/cat", ["cat", inputs["file"]], {}))
