# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: an exception whose text never ends
class Mine(Exception):
    def __str__(self):
        while True:
            pass
raise Mine()
