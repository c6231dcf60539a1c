# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a thread by a pool of them
import concurrent.futures
return "ESCAPED " + str(concurrent.futures.ThreadPoolExecutor(1).submit(int).result())
