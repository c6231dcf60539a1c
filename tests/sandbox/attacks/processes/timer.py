# guard: CODE_SECURITY
# bare: CODE_SECURITY
# what: a timer that would interrupt later steps
import signal
signal.setitimer(signal.ITIMER_REAL, 0.1)
return "ESCAPED a timer runs"
