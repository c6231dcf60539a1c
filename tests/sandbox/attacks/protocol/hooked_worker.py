# guard: CODE_SECURITY
# bare: CODE_CRASHED|-|CODE_RUNTIME
# what: the worker's own functions replaced, for later requests
import sys
worker = sys.modules["worker"]
worker.encode = lambda *values: "[" * 70 + "]" * 70
return 1
