# guard: CODE_RUNTIME|CODE_CRASHED|CODE_TIMEOUT
# bare: CODE_RUNTIME|CODE_CRASHED|CODE_TIMEOUT
# what: a class whose text is its own text
class Mine:
    def __str__(self):
        return str(self)
return str(Mine())
