"""The adapters of LangChain, which speak the older protocol: the tools of a server become its own, and one is called."""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient

task = json.loads(sys.argv[1])
if "url" in task:
    connection = {"transport": "streamable_http", "url": task["url"]}
else:
    command, *arguments = task["command"]
    connection = {"transport": "stdio", "command": command, "args": arguments, "env": task["env"]}


async def main() -> None:
    tools = await MultiServerMCPClient({"ael": connection}).get_tools()
    chosen = next(tool for tool in tools if tool.name == task["tool"])
    call = {"type": "tool_call", "id": "1", "name": chosen.name, "args": task["arguments"]}
    message = await chosen.ainvoke(call)
    print(json.dumps({"tools": [tool.name for tool in tools], "result": message.artifact or message.content}))


asyncio.run(main())
