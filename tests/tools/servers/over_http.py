"""An MCP server made with the SDK, over streamable HTTP or SSE; it prints its port."""

import socket
import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("over-http")


@server.tool()
def act(n: int, ctx: Context) -> dict[str, object]:
    meta = ctx.request_context.meta or {}
    return {"got": n, "meta": {key: value for key, value in dict(meta).items() if key.startswith("ael/")}}


@server.tool()
def large(size: int) -> str:
    return "x" * size


way = sys.argv[1]
app = server.sse_app() if way == "sse" else server.streamable_http_app(json_response=way == "json")
# Its protocol is named, so that connections are without delay.
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
