# guard: CODE_SECURITY
# bare: CODE_MEMORY
# what: the process ended with the code for memory
import os
os._exit(71)
