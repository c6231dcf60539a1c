# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: threads without an end
import threading
while True:
    try:
        threading.Thread(target=threading.Event().wait).start()
    except RuntimeError:
        pass
