# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a thread by threading
import threading
made = threading.Thread(target=lambda: None)
made.start()
return "ESCAPED " + str(made)
