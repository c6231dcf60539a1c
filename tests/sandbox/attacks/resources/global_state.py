# guard: -
# bare: -
# what: numbers in contexts of the library changed for whoever comes next
import decimal
import random
decimal.getcontext().prec = 1
random.seed(1)
return "its own process"
