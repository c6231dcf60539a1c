# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: copy.dispatch_table, shared by all steps of a child, is written to
import copy
class Mine:
    pass
copy.dispatch_table[Mine] = lambda value: (print, ("called",))
copy.copy(Mine())
return "ESCAPED from the guard: the table of copyreg can be written" if inputs["guarded"] else "its own process"
