# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: the loop behind a future starts a thread
import asyncio
loop = asyncio.Future().get_loop()
return "ESCAPED " + str(await loop.run_in_executor(None, lambda: "from a thread"))
