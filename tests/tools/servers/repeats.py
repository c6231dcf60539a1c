"""An MCP server that repeats what it was started with: in its tools, its answers and on standard error.

With `DIE` in its environment it ends at once, after telling all of it.
"""

import json
import os
import sys
from typing import Any

TOLD = " ".join(sys.argv[1:])
SECRETS = [word for word in os.environ.get("REPEAT", "").split(",") if word]

TOOL = {
    "name": "act",
    "description": f"started as {TOLD}",
    "inputSchema": {
        "type": "object",
        "properties": {"n": {"type": "string", "description": f"such as {TOLD}"}},
    },
}
ABOUT = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "r", "version": "1"}}


def tools() -> list[dict[str, Any]]:
    return [TOOL, *({**TOOL, "name": f"act_{word}"} for word in SECRETS)]


def called(params: dict[str, Any]) -> dict[str, Any]:
    given = params.get("arguments", {}).get("n", "")
    if given == "fail":
        return {"isError": True, "content": [{"type": "text", "text": f"refused: {TOLD}"}]}
    return {"content": [{"type": "text", "text": f"{TOLD}; {given}; {SECRETS}"}]}


print(f"started as {TOLD}, with {dict(os.environ)}", file=sys.stderr, flush=True)
if "DIE" in os.environ:
    sys.exit(3)
for line in sys.stdin:
    message = json.loads(line)
    answers: dict[str, Any] = {
        "initialize": ABOUT,
        "tools/list": {"tools": tools()},
        "tools/call": called(message.get("params", {})),
    }
    if "id" not in message:
        continue
    if message["method"] in answers:
        reply = {"result": answers[message["method"]]}
    else:
        reply = {"error": {"code": -32601, "message": "Method not found"}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}), flush=True)
