# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: numbers whose methods are called by statistics, looking for its globals
import statistics
class Number(int):
    def as_integer_ratio(self):
        return statistics.mean.__globals__["sys"].modules["os"].popen("id").read(), 1
return "ESCAPED " + str(statistics.mean([Number(1), Number(2)]))
