# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: the loop behind the current task holds the channel to the host
import asyncio
channel = asyncio.current_task().get_loop()._channel
return "ESCAPED from the guard: " + str(channel) if inputs["guarded"] else "its own channel"
