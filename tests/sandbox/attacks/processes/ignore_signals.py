# guard: CODE_SECURITY
# bare: CODE_TIMEOUT
# what: every signal ignored, then an endless loop
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
