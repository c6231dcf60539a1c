# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a pool of processes
import multiprocessing
multiprocessing.Process(target=print).start()
return "ESCAPED"
