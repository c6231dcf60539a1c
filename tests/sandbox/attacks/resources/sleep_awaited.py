# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: a sleep that is awaited
import asyncio
await asyncio.sleep(600)
