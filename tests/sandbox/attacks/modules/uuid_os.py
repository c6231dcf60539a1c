# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the os that uuid imported
import uuid
return "ESCAPED " + uuid.os.listdir("/")[0]
