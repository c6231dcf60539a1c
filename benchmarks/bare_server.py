"""The SDK's low-level server with one tool that does nothing: `bare_server.py stdio | PORT`."""

import sys

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

SCHEMA = {"type": "object", "properties": {}}
TOOL = types.Tool(name="nothing", description="Does nothing.", input_schema=SCHEMA)


async def list_tools(_: object, __: object) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[TOOL])


async def call_tool(_: object, __: object) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text='{"result":1}')], structured_content={"result": 1}
    )


server = Server("bare", version="1", on_list_tools=list_tools, on_call_tool=call_tool)


async def over_stdio() -> None:
    async with stdio_server() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


if sys.argv[1] == "stdio":
    anyio.run(over_stdio)
else:
    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
