# guard: CODE_MEMORY|CODE_RUNTIME|CODE_TIMEOUT
# bare: CODE_MEMORY|CODE_RUNTIME|CODE_TIMEOUT
# what: a division with a billion digits
import decimal
decimal.getcontext().prec = 10 ** 9
return str(decimal.Decimal(1) / 7)[:5]
