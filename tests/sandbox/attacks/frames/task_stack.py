# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: a task shows the frames of its coroutine
import asyncio
import operator
task = asyncio.current_task()
frame = task.get_stack()[0]
getter = type(operator.attrgetter("real"))
return "ESCAPED " + getter("f_builtins")(frame)["open"](inputs["file"]).read()
