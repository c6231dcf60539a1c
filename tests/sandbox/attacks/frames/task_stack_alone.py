# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: a frame object in hand, whatever can be done with it
import asyncio
frames = asyncio.current_task().get_stack()
return "ESCAPED from the guard: " + str(frames[0])[:100] if inputs["guarded"] else "its own frame"
