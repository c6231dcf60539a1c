# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a signal by a descriptor of a process
import os
import signal
signal.pidfd_send_signal(os.pidfd_open(inputs["process"]), 9)
return "ESCAPED"
