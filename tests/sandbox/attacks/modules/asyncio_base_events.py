# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY
# what: the event loop's own module
import asyncio
return "ESCAPED " + asyncio.base_events.os.listdir("/")[0]
