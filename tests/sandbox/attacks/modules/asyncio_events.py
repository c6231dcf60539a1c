# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the modules that asyncio's own use
import asyncio
return "ESCAPED " + asyncio.events.os.listdir("/")[0]
