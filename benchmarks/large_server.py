"""An MCP server whose answers are large and made before it starts: `large_server.py BYTES`."""

import json
import sys

SIZE = int(sys.argv[1])
ROWS = [{"id": i, "name": f"row {i}", "tags": ["a", "b"], "price": i * 1.5} for i in range(SIZE // 60)]
OBJECT = {"type": "object"}
CHECKED = {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "object", "required": ["id"]}}}}
READ_ONLY = {"readOnlyHint": True}
ANSWERS = {
    "text": {"content": [{"type": "text", "text": "x" * SIZE}]},
    "rows": {"content": [], "structuredContent": {"rows": ROWS}},
    "json": {"content": [{"type": "text", "text": json.dumps(ROWS)}]},
}
BODIES = {name: json.dumps(answer) for name, answer in ANSWERS.items()}
TOOLS: list[dict[str, object]] = [
    {"name": name, "inputSchema": OBJECT, "annotations": READ_ONLY} for name in ("text", "json")
]
ROWS_TOOL: dict[str, object] = {"name": "rows", "inputSchema": OBJECT, "annotations": READ_ONLY}
# More than that is checked in a process of its own, which is another matter.
TOOLS.append(ROWS_TOOL | ({"outputSchema": CHECKED} if SIZE <= 10_000_000 else {}))
ABOUT = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "large", "version": "1"}}

for line in sys.stdin:
    message = json.loads(line)
    number, method = message.get("id"), message["method"]
    if method == "tools/call":
        sys.stdout.write(f'{{"jsonrpc": "2.0", "id": {number}, "result": {BODIES[message["params"]["name"]]}}}\n')
    elif method in {"initialize", "tools/list"}:
        result = ABOUT if method == "initialize" else {"tools": TOOLS}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}) + "\n")
    elif number is not None:
        error = {"code": -32601, "message": "unknown"}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": number, "error": error}) + "\n")
    sys.stdout.flush()
