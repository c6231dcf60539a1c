# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the loop behind the current task opens a connection
import asyncio
loop = asyncio.current_task().get_loop()
await loop.create_connection(asyncio.Future, "127.0.0.1", inputs["port"])
return "ESCAPED connected"
