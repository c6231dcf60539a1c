# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a connection through asyncio
import asyncio
reader, writer = await asyncio.open_connection("127.0.0.1", inputs["port"])
return "ESCAPED connected"
