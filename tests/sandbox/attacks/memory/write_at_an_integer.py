# guard: CODE_SECURITY
# bare: -
# what: the value of a small integer overwritten
import ctypes
number = 123456789123456789
ctypes.c_uint32.from_address(id(number) + 24).value = 7
return "its own memory " + str(number)
