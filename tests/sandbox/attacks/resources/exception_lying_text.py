# guard: CODE_RUNTIME|CODE_CRASHED
# bare: CODE_RUNTIME|CODE_CRASHED
# what: an exception whose text is no text, and half a character
class Mine(Exception):
    def __str__(self):
        return "\ud800"
raise Mine()
