# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a pickle that calls os.system
import pickle
return "ESCAPED " + str(pickle.loads(b"cos\nlistdir\n(S'/'\ntR."))
