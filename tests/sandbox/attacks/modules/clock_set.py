# guard: CODE_SECURITY|CODE_RUNTIME|KERNEL
# bare: CODE_SECURITY
# what: the system's clock set through time
import time
time.clock_settime(time.CLOCK_REALTIME, 0)
return "ESCAPED the clock was set"
