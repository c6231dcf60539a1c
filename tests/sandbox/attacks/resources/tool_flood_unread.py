# guard: RESOURCE_EXHAUSTED|CODE_CRASHED|CODE_TIMEOUT|CODE_MEMORY
# bare: RESOURCE_EXHAUSTED|CODE_CRASHED|CODE_TIMEOUT|CODE_MEMORY
# what: tools called by very many tasks, none of which reads an answer before all have called
import asyncio
async def flood():
    await tools.call("echo", {})
kept = [asyncio.create_task(flood()) for _ in range(30_000)]
await asyncio.gather(*kept)
