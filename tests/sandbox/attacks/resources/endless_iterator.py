# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: an iterator without an end, in C code alone
import itertools
return sum(itertools.repeat(1))
