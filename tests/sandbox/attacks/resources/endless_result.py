# guard: OUTPUT_INVALID|CODE_RUNTIME
# bare: OUTPUT_INVALID|CODE_RUNTIME
# what: a result that holds itself
me = []
me.append(me)
return me
