# guard: RESOURCE_EXHAUSTED|CODE_CRASHED|CODE_TIMEOUT|CODE_MEMORY
# bare: RESOURCE_EXHAUSTED|CODE_CRASHED|CODE_TIMEOUT|CODE_MEMORY
# what: the same with a tool that never answers
import asyncio
async def flood():
    await tools.call("never", {})
kept = [asyncio.create_task(flood()) for _ in range(30_000)]
await asyncio.gather(*kept)
