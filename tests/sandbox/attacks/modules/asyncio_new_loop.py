# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: an event loop of one's own, with sockets and a self-pipe
import asyncio
loop = asyncio.new_event_loop()
return "ESCAPED " + str(loop)
