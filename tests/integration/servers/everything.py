"""The tools that the published conformance suite calls, as an MCP server over standard streams or streamable HTTP.

AEL has it as a server and offers its tools on, so that what the suite says of them is said of AEL. Run it as
`python server.py stdio`, or as `python server.py http`, which prints its port.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import sys
import warnings
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.shared.exceptions import MCPError

Context = ServerRequestContext[Any, Any]
Contents = list[types.ContentBlock]
Act = Callable[[Context, dict[str, Any]], Awaitable[types.CallToolResult | Contents]]

# Log messages and sampling are deprecated, and served to clients that still have them.
warnings.simplefilter("ignore")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


#: One red pixel, and one sample of silence.
PNG = b"".join(
    (
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00")),
        chunk(b"IEND", b""),
    )
)
WAV = (
    b"RIFF" + struct.pack("<I", 38) + b"WAVEfmt " + struct.pack("<IHHIIHHI", 16, 1, 1, 8000, 16000, 2, 16, 0x61746164)
) + struct.pack("<IH", 2, 0)

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
DIALECT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

bus = InMemorySubscriptionBus()
acts: dict[str, tuple[types.Tool, Act]] = {}
#: The sessions of the older era that are told of changes.
listeners: list[Any] = []


def text(said: str) -> Contents:
    return [types.TextContent(type="text", text=said)]


def tool(description: str, **more: Any) -> Callable[[Act], Act]:
    """Offer a function under its own name."""

    def offer(act: Act) -> Act:
        schema = more.pop("input_schema", NO_PARAMETERS)
        made = types.Tool(name=act.__name__, description=description, input_schema=schema, **more)
        acts[act.__name__] = (made, act)
        return act

    return offer


@tool("One text.")
async def test_simple_text(ctx: Context, given: dict[str, Any]) -> Contents:
    return text("This is a simple text response for testing.")


def image() -> types.ImageContent:
    return types.ImageContent(type="image", data=base64.b64encode(PNG).decode(), mime_type="image/png")


@tool("One image.")
async def test_image_content(ctx: Context, given: dict[str, Any]) -> Contents:
    return [image()]


@tool("One sound.")
async def test_audio_content(ctx: Context, given: dict[str, Any]) -> Contents:
    return [types.AudioContent(type="audio", data=base64.b64encode(WAV).decode(), mime_type="audio/wav")]


def embedded(uri: str, mime_type: str, said: str) -> types.EmbeddedResource:
    resource = types.TextResourceContents(uri=uri, mime_type=mime_type, text=said)
    return types.EmbeddedResource(type="resource", resource=resource)


@tool("One embedded resource.")
async def test_embedded_resource(ctx: Context, given: dict[str, Any]) -> Contents:
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


@tool("A text, an image and a resource.")
async def test_multiple_content_types(ctx: Context, given: dict[str, Any]) -> Contents:
    data = json.dumps({"test": "data", "value": 123})
    return [
        *text("Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", "application/json", data),
    ]


@tool("Log messages during a call.")
async def test_tool_with_logging(ctx: Context, given: dict[str, Any]) -> Contents:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", said, "conformance", related_request_id=ctx.request_id)
        await asyncio.sleep(0.05)
    return text("Logged.")


@tool("Log messages to who asked for them.")
async def test_logging_tool(ctx: Context, given: dict[str, Any]) -> Contents:
    return await test_tool_with_logging(ctx, given)  # type: ignore[return-value] # it gives contents


@tool("Always an error.")
async def test_error_handling(ctx: Context, given: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=text("This tool intentionally returns an error for testing"), is_error=True)


@tool("Progress during a call.")
async def test_tool_with_progress(ctx: Context, given: dict[str, Any]) -> Contents:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"Completed step {done} of 100")
        await asyncio.sleep(0.05)
    return text("Done.")


@tool("An object as structured content.", output_schema={"type": "object", "required": ["sum"]})
async def test_structured_content(ctx: Context, given: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=text('{"sum": 3}'), structured_content={"sum": 3})


@tool("Asks the client's model.", input_schema={"type": "object", "properties": {"prompt": {"type": "string"}}})
async def test_sampling(ctx: Context, given: dict[str, Any]) -> Contents:
    asked = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=given["prompt"]))
    answer = await ctx.session.create_message([asked], max_tokens=100)
    return text(f"LLM response: {answer.content}")


@tool("Asks the client's user.", input_schema={"type": "object", "properties": {"message": {"type": "string"}}})
async def test_elicitation(ctx: Context, given: dict[str, Any]) -> Contents:
    schema = {
        "type": "object",
        "properties": {name: {"type": "string", "description": name} for name in ("username", "email")},
        "required": ["username", "email"],
    }
    answer = await ctx.session.elicit_form(given["message"], schema)
    return text(f"User response: {answer.model_dump_json()}")


@tool("Needs a model of the client.")
async def test_missing_capability(ctx: Context, given: dict[str, Any]) -> Contents:
    has = ctx.session.client_capabilities
    if has is None or has.sampling is None:
        data: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", data)
    return text("The client has a model.")


@tool("Asks the client's user by its result, which ends the call.")
async def test_streaming_elicitation(ctx: Context, given: dict[str, Any]) -> Contents:
    return text("Nothing is asked for.")


@tool("Another tool appears or vanishes.")
async def test_trigger_tool_change(ctx: Context, given: dict[str, Any]) -> Contents:
    if acts.pop("test_appearing", None) is None:
        made = types.Tool(name="test_appearing", description="Here for a while.", input_schema=NO_PARAMETERS)
        acts["test_appearing"] = (made, test_simple_text)
    await bus.publish(ToolsListChanged())
    for session in listeners:
        await session.send_tool_list_changed()
    return text("Changed.")


@tool(
    "A parameter that is repeated in a header.",
    input_schema={
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    },
)
async def test_custom_header(ctx: Context, given: dict[str, Any]) -> Contents:
    return text(json.dumps(given))


@tool("Answers over whichever stream is left.")
async def test_reconnection(ctx: Context, given: dict[str, Any]) -> Contents:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    return text("Reconnected.")


@tool("Tool with JSON Schema 2020-12 features", input_schema=DIALECT)
async def json_schema_2020_12_tool(ctx: Context, given: dict[str, Any]) -> Contents:
    return text(json.dumps(given))


async def list_tools(ctx: Context, asked: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    if ctx.protocol_version < "2026" and ctx.session not in listeners:
        listeners.append(ctx.session)
    return types.ListToolsResult(tools=[made for made, _ in acts.values()])


async def call_tool(ctx: Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
    if asked.name not in acts:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {asked.name}")
    _, act = acts[asked.name]
    given = await act(ctx, asked.arguments or {})
    return given if isinstance(given, types.CallToolResult) else types.CallToolResult(content=given)


server = Server(
    "conformance",
    version="1",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_subscriptions_listen=ListenHandler(bus),
)


async def serve_streams() -> None:
    options = server.create_initialization_options(NotificationOptions(tools_changed=True))
    async with stdio_server() as (read, write):
        await server.run(read, write, options)


def serve_http() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    if sys.argv[1:] == ["http"]:
        serve_http()
    else:
        asyncio.run(serve_streams())
