# guard: CODE_TIMEOUT|CODE_MEMORY|CODE_CRASHED
# bare: CODE_TIMEOUT|CODE_MEMORY|CODE_CRASHED
# what: tasks without an end
import asyncio
async def nothing():
    await asyncio.sleep(60)
kept = []
while True:
    kept.append(asyncio.create_task(nothing()))
