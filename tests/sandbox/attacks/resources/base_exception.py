# guard: CODE_RUNTIME
# bare: CODE_RUNTIME
# what: an exception that nobody knows
class Mine(BaseException):
    pass
raise Mine("x" * 1000)
