"""An MCP server for crowds: it holds calls until it is told to let go, gives what is large, and repeats what it gets.

Its only argument is a file, to which it adds a line for every call that it holds and for every one that is cancelled.
"""

import json
import sys
from pathlib import Path
from typing import Any

LOG = Path(sys.argv[1])
TOOLS = [
    {"name": name, "description": name, "inputSchema": {"type": "object"}}
    for name in ("hold", "release", "large", "measure")
]
held: dict[Any, bool] = {}


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(number: object, text: str) -> None:
    say({"id": number, "result": {"content": [{"type": "text", "text": text}]}})


def note(line: str) -> None:
    with LOG.open("a") as file:
        file.write(line + "\n")


def call(number: object, name: str, arguments: dict[str, Any]) -> None:
    if name == "hold":
        held[number] = True
        note("held")
    elif name == "release":
        for one in list(held):
            answer(one, "released")
            del held[one]
        answer(number, "all")
    elif name == "large":
        answer(number, "x" * int(arguments["size"]))
    else:
        answer(number, str(len(arguments["data"])))


for line in sys.stdin:
    message = json.loads(line)
    method, number = message.get("method"), message.get("id")
    if method == "initialize":
        info = {"name": "crowd", "version": "1"}
        say({"id": number, "result": {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info}})
    elif method == "tools/list":
        say({"id": number, "result": {"tools": TOOLS}})
    elif method == "tools/call":
        call(number, message["params"]["name"], message["params"].get("arguments", {}))
    elif method == "notifications/cancelled":
        if held.pop(message["params"]["requestId"], None):
            note("cancelled")
    elif number is not None:
        say({"id": number, "error": {"code": -32601, "message": "no such method"}})
