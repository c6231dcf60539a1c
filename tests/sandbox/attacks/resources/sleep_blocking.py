# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: a sleep that blocks
import time
time.sleep(600)
