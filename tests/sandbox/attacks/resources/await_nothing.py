# guard: CODE_RUNTIME|CODE_TIMEOUT
# bare: CODE_RUNTIME|CODE_TIMEOUT
# what: a future that nobody will ever set
import asyncio
await asyncio.Future()
