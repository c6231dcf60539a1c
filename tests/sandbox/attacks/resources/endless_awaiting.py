# guard: CODE_TIMEOUT
# bare: CODE_TIMEOUT
# what: tasks that make each other go on for ever
import asyncio
async def again():
    while True:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            continue
await asyncio.gather(again(), again())
