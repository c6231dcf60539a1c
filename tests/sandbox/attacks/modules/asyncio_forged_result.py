# guard: CODE_SECURITY|CODE_RUNTIME
# bare: -
# what: the same channel, used to answer in the host's own protocol
import asyncio
channel = asyncio.current_task().get_loop()._channel
answer = "ESCAPED from the guard: a forged answer" if inputs["guarded"] else "forged"
channel.send(json.dumps({"t": "done", "printed": "", "result": answer}).encode())
return "harmless"
