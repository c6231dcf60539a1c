# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: the scheduler and the processors changed
import os
os.sched_setaffinity(0, [0])
return "ESCAPED"
