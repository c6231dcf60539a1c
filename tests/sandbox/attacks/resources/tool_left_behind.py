# guard: -
# bare: -
# what: tools called whose answers nobody waits for
import asyncio
kept = [asyncio.create_task(tools.call("never", {})) for _ in range(5)]
await asyncio.sleep(0)
return "harmless"
