"""An MCP server that misbehaves in the way that its argument names."""

import json
import os
import signal
import sys
import time

WAY = sys.argv[1]
LATE = {
    "crash",
    "silent_call",
    "bad_utf8",
    "not_json",
    "wrong_id",
    "twice",
    "notify",
    "huge",
    "error",
    "http_404",
    "half",
    "changed",
}


def say(message: object) -> None:
    print(json.dumps(message), flush=True)


def answer(number: object, result: object) -> None:
    say({"jsonrpc": "2.0", "id": number, "result": result})


if WAY == "exit":
    sys.stderr.write("cannot find the license\n")
    sys.exit(3)
if WAY == "garbage":
    print("hello, this is a log line\n{]", flush=True)
if WAY in {"silent", "garbage"}:
    time.sleep(1000)
if WAY == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

RICH = {
    "content": [
        {"type": "text", "text": "seen", "annotations": {"audience": ["user"]}, "_meta": {"k": 1}, "unknown": [1.0]},
        {"type": "image", "data": "aGk=", "mimeType": "image/png"},
        {"type": "resource_link", "uri": "file:///x", "name": "x", "size": 3},
    ],
    "structuredContent": {"n": 1.0},
    "isError": False,
    "_meta": {"trace": "t"},
    "raw": "mine",
}
asked = None
lists = 0
for line in sys.stdin:
    message = json.loads(line)
    number, method = message.get("id"), message["method"]
    if method == "server/discover" and WAY == "modern":
        answer(number, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
    elif method == "server/discover" and WAY in {"slow_modern", "mute"}:
        asked = number
    elif method == "initialize" and WAY == "slow_modern":
        # What it was asked first it answers first, and by then it serves the modern era.
        answer(asked, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        say({"jsonrpc": "2.0", "id": number, "error": {"code": -32022, "message": "this connection is modern"}})
    elif method == "initialize":
        answer(
            number, {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "h", "version": "1"}}
        )
    elif method == "tools/list":
        good: dict[str, object] = {
            "name": "act",
            "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
        }
        if WAY == "escapes":
            good["description"] = "\x1b[2Jnothing to see\x07 \u202ehere"
        if WAY == "rich":
            good |= {"title": "Act", "icons": [{"src": "data:,"}], "_meta": {"a": 1}, "x-more": [1.0]}
        lists += 1
        if WAY == "changes" and lists > 1:
            good["name"] = f"act{lists}"
        bad: dict[str, object] = {"name": "broken", "inputSchema": {"type": "string"}}
        answer(number, {"tools": [good, bad, 7, {"name": None}]})
    elif method == "tools/call":
        arguments = message["params"].get("arguments", {})
        if WAY == "crash":
            sys.stderr.write("segmentation fault, sort of\n")
            sys.stderr.flush()
            os._exit(1)
        elif WAY == "silent_call":
            continue
        elif WAY == "bad_utf8":
            sys.stdout.buffer.write(
                b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"\xff"}]}}\n' % number
            )
            sys.stdout.buffer.flush()
        elif WAY == "not_json":
            print('{"jsonrpc":"2.0","id":%d,"result":oops}' % number, flush=True)
        elif WAY == "wrong_id":
            answer(number + 1000, {"content": []})
            answer(str(number), {"content": [{"type": "text", "text": "right"}]})
        elif WAY == "twice":
            for text in ("first", "second"):
                answer(number, {"content": [{"type": "text", "text": text}]})
        elif WAY == "notify":
            for count in range(10_000):
                say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"n": count}})
            answer(number, {"content": [{"type": "text", "text": "done"}]})
        elif WAY == "huge":
            answer(number, {"content": [{"type": "text", "text": "x" * int(arguments["n"])}]})
        elif WAY == "error":
            answer(number, {"isError": True, "content": [{"type": "text", "text": "no such thing"}]})
        elif WAY == "http_404":
            answer(number, {"isError": True, "content": [], "structuredContent": {"status": 404}})
        elif WAY == "progress":
            token = message["params"]["_meta"]["progressToken"]
            for step in (1, True, 2):
                told = {"progressToken": token, "progress": step, "total": 2, "message": f"step {step}"}
                say({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
            say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 999, "progress": 1}})
            answer(number, {"content": [{"type": "text", "text": "done"}]})
        elif WAY == "rich":
            answer(number, RICH)
        elif WAY == "changes":
            for _ in range(1000):
                say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            answer(number, {"content": [{"type": "text", "text": "done"}]})
        elif WAY == "half":
            sys.stdout.write('{"jsonrpc":"2.0","id":')
            sys.stdout.flush()
            os._exit(0)
        else:
            answer(
                number,
                {
                    "content": [
                        {"type": "text", "text": json.dumps({"got": arguments, "meta": message["params"].get("_meta")})}
                    ]
                },
            )
    elif number is not None:
        say({"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": "Method not found"}})
