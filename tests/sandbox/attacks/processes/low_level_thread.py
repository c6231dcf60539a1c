# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a thread by _thread
import _thread
return "ESCAPED " + str(_thread.start_new_thread(lambda: None, ()))
