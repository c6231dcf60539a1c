# guard: CODE_SECURITY
# bare: CODE_SECURITY|CODE_CRASHED
# what: a signal to oneself, that stops the process
import signal
signal.raise_signal(signal.SIGSTOP)
return "ESCAPED it went on"
