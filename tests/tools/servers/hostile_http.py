"""An MCP server over HTTP that misbehaves in the way that its argument names; it prints its port."""

import gzip
import json
import queue
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAY = sys.argv[1]
SECRET = "Bearer right"
#: Statuses of all answers, and of those to calls.
REFUSED = {"down": 503, "missing": 404, "limited": 429}
REFUSED_CALLS = {"busy": 429, "moved": 429, "expired": 401, "refuses": 403, "broken": 500}
ABOUT: dict[str, object] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "serverInfo": {"name": "h", "version": "1"},
}
seen: list[str] = []
#: Requests for a stream of events, and what is posted for those of the older kind.
streams: list[str] = []
posted: list[queue.SimpleQueue[dict[str, Any]]] = []
#: What has come of several calls.
marks = (threading.Event(), threading.Event())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        # Its own date, where it has one.
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        streams.append(self.path)
        if WAY == "reopen":
            # It wants its stream to be opened again at once, and again.
            self.reply(200, b"retry: 0\nid: 1\n\n", "text/event-stream")
        elif WAY in {"deaf_sse", "odd_sse"} and self.path == "/sse":
            self.sse()
        elif WAY in REFUSED:
            self.reply(REFUSED[WAY], b"", "text/plain", Retry_After="3600")
        else:
            self.reply(405, b"")

    def sse(self) -> None:
        """Give a stream of the older kind, and answer the handshake on it; the deaf one refuses what is posted later."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        mine: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        posted.append(mine)
        self.wfile.write(b"event: endpoint\ndata: /post\n\n")
        while True:
            message = mine.get()
            method = message["method"]
            if method == "initialize":
                result: dict[str, object] = ABOUT
            elif method == "tools/list":
                odd = {"name": "half", "inputSchema": {}, "description": "\ud83d"}
                result = {"tools": [{"name": "act", "inputSchema": {}}, *([odd] if WAY == "odd_sse" else [])]}
            elif WAY == "odd_sse" and method == "tools/call":
                half = "\ud83d" if message["params"]["arguments"] else ""
                result = {"content": [{"type": "text", "text": f"whole{half}"}]}
            else:
                continue
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
            self.wfile.write(f"event: message\ndata: {body}\n\n".encode())

    def do_DELETE(self) -> None:
        self.reply(405, b"")

    def do_POST(self) -> None:  # noqa: C901 # one case for each way
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number, method = message.get("id"), message["method"]

        def answer(result: object, **headers: str) -> None:
            body = json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()
            if WAY == "events":
                body, kind = b"event: message\ndata: " + body + b"\n\n", "text/event-stream"
            else:
                kind = "application/json"
            self.reply(200, body, kind, **headers)

        if WAY in {"deaf_sse", "odd_sse"}:
            self.reply(500 if WAY == "deaf_sse" and method == "tools/call" else 202, b"")
            posted[-1].put(message)
        elif WAY == "locked" and self.headers.get("Authorization") != SECRET:
            self.reply(401, b"who are you?", "text/plain")
        elif WAY in REFUSED:
            self.reply(REFUSED[WAY], b"nothing here", "text/plain", Retry_After="3600")
        elif WAY in {"elsewhere", "turns"}:
            port = sys.argv[2] if WAY == "elsewhere" else server.server_address[1]
            self.reply(307, b"", Location=f"http://127.0.0.1:{port}/mcp")
        elif WAY == "moved" and self.path == "/mcp":
            self.reply(307, b"", Location="/mcp/")
        elif WAY == "silent":
            threading.Event().wait()
        elif number is None:
            self.reply(202, b"")
        elif method == "initialize":
            session = {"Mcp_Session_Id": f"s-{len(seen)}"}
            seen.append(method)
            answer(ABOUT, **session)
        elif method == "tools/list" and WAY.startswith("odd"):
            half = rb'{"name": "half", "inputSchema": {"type": "object"}, "description": "\ud83d"}'
            body = b'{"jsonrpc": "2.0", "id": %d, "result": {"tools": [{"name": "act", "inputSchema": {}}, %s]}}'
            whole = b"%s" if WAY == "odd" else b"event: message\ndata: %s\n\n"
            kind = "application/json" if WAY == "odd" else "text/event-stream"
            self.reply(200, whole % (body % (number, half)), kind)
        elif method == "tools/list":
            good = {"name": "act", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
            answer({"tools": [good, {"name": "broken", "inputSchema": {"type": "string"}}, 7]})
        elif method == "tools/call":
            self.call(message, answer)
        else:
            self.reply(404, b"not here", "text/plain")

    def call(self, message, answer) -> None:  # noqa: C901, PLR0912, PLR0915 # one case for each way
        session, number = self.headers.get("Mcp-Session-Id"), message["id"]
        said = {
            "session": session,
            "version": self.headers.get("MCP-Protocol-Version"),
            **({"streams": len(streams)} if WAY == "reopen" else {}),
        }
        done = {"content": [{"type": "text", "text": json.dumps(said)}]}
        whole = json.dumps({"jsonrpc": "2.0", "id": number, "result": done}).encode()
        if WAY == "forgets" and session == "s-0":
            self.reply(404, b"", "text/plain")
        elif WAY in REFUSED_CALLS:
            self.reply(REFUSED_CALLS[WAY], b"", "text/plain", Retry_After="7")
        elif WAY == "busy_until":
            until = {"Retry_After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
            self.reply(503, b"", "text/plain", **until)
        elif WAY == "busy_in_words":
            error = {"code": -32000, "message": "slow down"}
            body = json.dumps({"jsonrpc": "2.0", "id": number, "error": error}).encode()
            self.reply(429, body, Retry_After="7")
        elif WAY == "bad_chunks":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"zz\r\n" + whole)
            self.close_connection = True
        elif WAY == "open_end":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"data: " + whole + b"\n\n")
            threading.Event().wait()
        elif WAY == "page":
            self.reply(200, b"<html>", "text/html")
        elif WAY == "half":
            self.reply(200, whole.replace(b"session", rb"\ud83d"))
        elif WAY == "other_json":
            self.reply(200, b'{"LURE": "see https://evil.example"}')
        elif WAY == "garbage":
            self.reply(200, b"{oops")
        elif WAY == "bomb":
            self.reply(200, gzip.compress(b" " * 50_000_000 + whole), Content_Encoding="gzip")
        elif WAY == "huge":
            self.reply(200, whole + b" " * 2_000_000)
        elif WAY == "huge_event":
            self.reply(200, b"data: " + b"x" * 2_000_000 + b"\n\n", "text/event-stream")
        elif WAY == "cut":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(whole[:20])
            self.close_connection = True
        elif WAY == "cut_one":
            # The first waits while the second is cut, until the third comes.
            came, third = marks
            which = message["params"]["arguments"]["n"]
            (came.set if which == 0 else came.wait if which == 1 else third.set)()
            if which == 1:
                self.close_connection = True
                return
            third.wait()
            answer(done)
        elif WAY == "wrong_id":
            self.reply(200, whole.replace(b'"id": %d' % number, b'"id": 99999'))
        elif WAY == "mixed":
            self.reply(429 if message["params"]["arguments"]["n"] % 2 else 403, b"", "text/plain")
        elif WAY == "large_header":
            self.reply(200, whole, X_Large="x" * 1_000_000)
        elif WAY in {"cut_events", "slow", "endless", "endless_event", "flood"}:
            self.stream(whole)
        elif WAY == "stuck":
            threading.Event().wait()
        else:
            answer(done)

    def stream(self, whole: bytes) -> None:
        """Answer without a length, in a way that never becomes an answer."""
        events = WAY in {"cut_events", "endless_event", "flood"}
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if events else "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        note = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n'
        with suppress(OSError):
            if WAY == "cut_events":
                self.wfile.write(note + b"data: " + whole[:20])
            while WAY == "slow":
                self.wfile.write(b" ")
                threading.Event().wait(0.05)
            while WAY in {"endless", "endless_event"}:
                self.wfile.write((b" " if WAY == "endless" else b"data: x\n") * 10_000)
            while WAY == "flood":
                self.wfile.write(note * 100)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
