# guard: CODE_SECURITY|CODE_RUNTIME
# bare: CODE_SECURITY|CODE_RUNTIME
# what: a process through asyncio
import asyncio
made = await asyncio.create_subprocess_exec("/bin/cat", inputs["file"], stdout=-1)
return "ESCAPED " + str(await made.communicate())
