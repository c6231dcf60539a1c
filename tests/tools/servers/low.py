"""An honest server of both eras, made with the SDK's low level: on standard streams."""

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
SUM = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}
TOOLS = [
    types.Tool(
        name="add",
        title="Addition",
        description="Add two numbers.",
        input_schema=NUMBERS,
        output_schema=SUM,
        annotations=types.ToolAnnotations(read_only_hint=True),
    ),
    types.Tool(name="repeat", input_schema={"type": "object"}),
    types.Tool(name="steps", input_schema={"type": "object"}),
    types.Tool(name="refuse", input_schema={"type": "object"}),
]


async def list_tools(context, params):
    return types.ListToolsResult(tools=TOOLS)


async def call_tool(context, params):
    given = params.arguments or {}
    if params.name == "add":
        total = given["a"] + given["b"]
        words = types.TextContent(type="text", text=str(total))
        return types.CallToolResult(content=[words], structured_content={"result": total})
    if params.name == "repeat":
        return types.CallToolResult(content=[types.TextContent(type="text", text=given["text"] * given["times"])])
    if params.name == "steps":
        for step in range(3):
            await context.session.report_progress(step, 3, f"step {step}")
        return types.CallToolResult(content=[])
    return types.CallToolResult(content=[types.TextContent(type="text", text="no")], is_error=True)


async def main():
    server = Server("low", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


anyio.run(main)
