# guard: RESOURCE_EXHAUSTED|CODE_CRASHED|CODE_RUNTIME
# bare: RESOURCE_EXHAUSTED|CODE_CRASHED|CODE_RUNTIME
# what: a thousand tools called at the same time
import asyncio
await asyncio.gather(*[tools.call("echo", {"n": number}) for number in range(1000)])
