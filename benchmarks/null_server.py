"""An MCP server whose one tool does nothing: what a call costs without the work; it may be told how slow to start."""

import json
import sys
import time

TOOLS = [{"name": "nothing", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}]
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "null", "version": "1"},
    },
    "tools/list": {"tools": TOOLS},
    "tools/call": {"content": [{"type": "text", "text": "ok"}]},
}

if len(sys.argv) > 1:
    time.sleep(float(sys.argv[1]))

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    if message["method"] in ANSWERS:
        answer["result"] = ANSWERS[message["method"]]
    else:
        answer["error"] = {"code": -32601, "message": "unknown"}
    print(json.dumps(answer), flush=True)
