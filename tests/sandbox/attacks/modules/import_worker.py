# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the worker's own module
import worker
return "ESCAPED " + worker.os.popen("id").read() if inputs["guarded"] else "ESCAPED " + worker.os.listdir("/")[0]
