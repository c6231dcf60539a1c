"""Single requests of the modern era over HTTP: one POST each, answered in one piece or by a stream that is kept open."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import MutableMapping
from functools import partial
from typing import Any

import httpx2
import mcp_types as types
import pytest
import uvicorn
from mcp.server.lowlevel import Server

from ael.app.serving.runs import Runs
from ael.app.serving.served import Caller, Presence
from ael.errors import ExecutionCancelled
from ael.interfaces.http import exchange
from ael.interfaces.http.connections import Connection, HalfSent
from ael.interfaces.http.exchange import Exchange
from ael.interfaces.mcp.server import PRESENCE

VERSION = "2026-07-28"
TOOL, GREETING = "workflow:quick", {"greeting": "hello you"}
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": TOOL,
}


def request(**changed: Any) -> dict[str, Any]:
    params = {"name": TOOL, "arguments": {}, "_meta": ENVELOPE}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params, **changed}


# -- by the real server -----------------------------------------------------------------------------------------------


#: What is changed in a good request and in its headers, and the status and code of the answer.
WRONG: list[tuple[dict[str, Any], dict[str, str], int, int | None]] = [
    ({}, {"Mcp-Method": "tools/list"}, 400, -32020),
    ({}, {"Mcp-Name": "workflow:other"}, 400, -32020),
    ({}, {"MCP-Protocol-Version": "2099-01-01"}, 400, -32020),
    ({"params": {"name": TOOL, "arguments": {}}}, {}, 400, -32602),
    ({"params": {"name": "no", "arguments": {}, "_meta": ENVELOPE}}, {"Mcp-Name": "no"}, 400, -32602),
    ({"params": {"name": TOOL, "arguments": [], "_meta": ENVELOPE}}, {}, 400, -32602),
    ({"method": "tools/nothing"}, {"Mcp-Method": "tools/nothing"}, 404, -32601),
    ({}, {"Accept": "application/json"}, 406, None),
    ({}, {"Accept": "text/html"}, 406, None),
]


async def test_what_is_wrong_with_a_request_is_told_by_status_and_code(project) -> None:
    async with project.over_http() as url, httpx2.AsyncClient(timeout=60) as client:
        for changed, headers, status, code in WRONG:
            answer = await client.post(url, json=request(**changed), headers={**HEADERS, **headers})
            assert answer.status_code == status, (changed, headers)
            if code is not None:
                assert answer.json()["id"] == 7
                assert answer.json()["error"]["code"] == code, (changed, headers)
        doubled = [*HEADERS.items(), ("Mcp-Name", TOOL)]
        assert (await client.post(url, json=request(), headers=doubled)).status_code == 400
        good = await client.post(url, json=request(), headers=HEADERS)
        assert good.status_code == 200
        assert good.headers["content-type"] == "application/json"
        assert good.json()["result"]["structuredContent"] == GREETING


async def test_ids_and_tokens_come_back_as_they_were_sent(project) -> None:
    async with project.over_http() as url, httpx2.AsyncClient(timeout=60) as client:
        for number in ("7", "007", "", "a", 0, -1, 2**70):
            short = await client.post(url, json=request(id=number), headers=HEADERS)
            assert short.json()["id"] == number
            params = {**request()["params"], "_meta": {**ENVELOPE, "progressToken": number}}
            told = await client.post(url, json=request(id=number, params=params), headers=HEADERS)
            *news, answer = [json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: ")]
            assert [one["params"]["progressToken"] for one in news] == [number, number]
            assert answer["id"] == number


async def test_a_response_comes_in_one_packet(project) -> None:
    body = json.dumps(request())
    lines = [f"{name}: {value}\r\n" for name, value in {**HEADERS, "Content-Length": len(body)}.items()]
    async with project.over_http() as url:
        with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1].split("/")[0]))) as connection:
            for _ in range(3):
                connection.sendall(f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{''.join(lines)}\r\n{body}".encode())
                head, _, answer = connection.recv(65536).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert json.loads(answer)["result"]["structuredContent"] == GREETING


# -- a client that leaves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "more"), [(70_001, b" " * 70_000), (1, b"POST /mcp HTTP/1.1\r\n")], ids=["large", "followed"]
)
async def test_who_goes_away_is_noticed_whatever_was_sent_before(size: int, more: bytes) -> None:
    read, gone = asyncio.Event(), asyncio.Event()

    async def wait(scope: Any, receive: Any, _: Any) -> None:
        presence = scope[PRESENCE] = Presence()
        presence.when_gone(gone.set)
        while (await receive()).get("more_body", False):
            read.set()
        read.set()
        await gone.wait()

    http: Any = partial(Connection, HalfSent())
    server = uvicorn.Server(uvicorn.Config(wait, http=http, lifespan="off", log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        _, client = await asyncio.open_connection(*listening.getsockname())
        client.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n{" % size)
        await read.wait()
        client.write(more)
        client.close()
        await gone.wait()
        server.should_exit = True
        await serving


async def test_what_is_begun_for_someone_who_has_gone_meanwhile_is_cancelled_or_goes_on() -> None:
    caller = Caller(presence=Presence())
    caller.presence.leave()
    with pytest.raises(ExecutionCancelled):
        await Runs("cancel").run(asyncio.Event().wait(), caller, "exec-1")
    assert await Runs("continue").run(asyncio.sleep(0, "done"), caller, "exec-2") == "done"


# -- one request, without a port --------------------------------------------------------------------------------------


#: A schema whose argument is repeated in a header.
REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


class Held:
    """A server with one tool, which works until it is released; and one request for that tool."""

    def __init__(self, arguments: dict[str, Any] | None = None, **more: str) -> None:
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self.cancelled = False
        self.presence = Presence()
        self.sent: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        server: Server[Any] = Server("held", on_call_tool=self._work, get_tool_input_schema=lambda _: REGION)
        headers = [(name.lower().encode(), value.encode()) for name, value in {**HEADERS, **more}.items()]
        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers, PRESENCE: self.presence}
        params = {"name": TOOL, "arguments": arguments or {}, "_meta": ENVELOPE}
        body = json.dumps(request(params=params)).encode()
        self.answered = asyncio.ensure_future(Exchange(server).answer(body, scope, self.sent.put))

    async def _work(self, *_: object) -> types.CallToolResult:
        self.begun.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return types.CallToolResult(content=[], structured_content={"held": True})


async def test_whoever_waits_long_is_kept_by_comments_until_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_PING", 0.001)
    held = Held()
    start = await held.sent.get()
    assert (b"content-type", b"text/event-stream") in start["headers"]
    for _ in range(3):
        assert await held.sent.get() == {"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True}
    held.released.set()
    assert await held.answered
    *pings, last = [held.sent.get_nowait() for _ in range(held.sent.qsize())]
    assert {ping["body"] for ping in pings} <= {b": ping\r\n\r\n"}
    assert last["more_body"] is False
    event = last["body"].decode()
    assert event.startswith("event: message\r\ndata: {")
    answer = json.loads(event.removeprefix("event: message\r\ndata: "))
    assert answer["id"] == 7
    assert answer["result"]["structuredContent"] == {"held": True}


async def test_whoever_goes_away_has_cancelled_the_request() -> None:
    held = Held()
    await held.begun.wait()
    held.presence.leave()
    assert await held.answered
    assert held.cancelled
    assert held.sent.empty()


async def test_a_request_that_is_stopped_from_elsewhere_is_not_taken_for_answered() -> None:
    held = Held()
    await held.begun.wait()
    held.answered.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held.answered
    assert held.cancelled


@pytest.mark.parametrize("repeated", ["eu", "us", None])
async def test_what_headers_say_otherwise_than_the_arguments_is_left_to_the_sdk(repeated: str | None) -> None:
    held = Held({"region": "eu"}, **({} if repeated is None else {"Mcp-Param-Region": repeated}))
    held.released.set()
    assert await held.answered is (repeated == "eu")
    assert held.sent.empty() is (repeated != "eu")
