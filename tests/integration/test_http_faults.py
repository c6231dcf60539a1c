"""What is wrong on the way in over HTTP is refused for what it is, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Serve = Callable[..., Any]
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def door(configure: Callable[..., None], serve: Serve, talk: Callable[[str], Any]) -> Any:
    """Return a client of an `ael serve` that has one workflow and no servers."""
    configure(mcp={"servers": {}, "tool_names": "safe"}, tools={"builtins": []})
    return talk(serve().url)


async def test_a_body_that_is_no_message_is_refused_and_the_next_one_served(door: Any) -> None:
    cases: list[tuple[bytes | str, int]] = [
        ("", -32700),
        ("{", -32700),
        ("hello", -32700),
        (b"\xff\xfe\x00", -32700),
        (PING[:-1], -32700),
        (DEEP, -32700),
        ("[]", -32600),
        (f"[{PING},{PING}]", -32600),
        ("[" + ",".join([PING] * 5000) + "]", -32600),
        ("null", -32600),
        ("7", -32600),
        ("{}", -32600),
        (json.dumps({"jsonrpc": "1.0", "id": 1, "method": "ping"}), -32600),
        (json.dumps({"jsonrpc": "2.0", "id": 1}), -32600),
        (json.dumps({"jsonrpc": "2.0", "id": {}, "method": "ping"}), -32600),
        (json.dumps({"jsonrpc": "2.0", "id": 1, "method": 7}), -32600),
    ]
    for era in ({}, {"MCP_Protocol_Version": "2026-07-28", "Mcp_Method": "tools/list"}):
        for body, code in cases:
            response = await door.post(body, **era)
            assert response.status_code == 400, (body[:40], response.text[:200])
            # Some readers do not tell what is no JSON from JSON that is no message.
            assert response.json()["error"]["code"] in {code, -32700, -32600, -32602}, (body[:40], response.text[:200])
            assert "Traceback" not in response.text
    assert [tool["name"] for tool in (await door.ask("tools/list"))["tools"]] == ["workflow_greet"]


async def test_wrong_headers_are_refused_with_the_status_that_says_which(door: Any) -> None:
    session = await door.open_session()
    body, modern = door.request("tools/list")
    cases: list[tuple[str, dict[str, str | None], set[int]]] = [
        (PING, {"Accept": "text/html"}, {406}),
        (PING, {"Content-Type": "text/plain"}, {400, 415}),
        (PING, {"Content-Type": None}, {400, 415}),
        (PING, {"Mcp-Session-Id": "never-given"}, {404}),
        (PING, {"Mcp-Session-Id": f"{session}x"}, {404}),
        (PING, {"Mcp-Session-Id": session, "MCP-Protocol-Version": "1999-01-01"}, {400}),
        (body, {**modern, "MCP_Protocol_Version": "2027-01-01"}, {400}),
        (body, {**modern, "Mcp_Method": "tools/call"}, {400}),
        (body, {**modern, "Mcp_Method": None}, {400}),
        (PING, {"Origin": "http://evil.example"}, {403}),
        (PING, {"Origin": "null"}, {403}),
        (PING, {"Host": "evil.example"}, {403, 421}),
        (body, {**modern, "Origin": "https://127.0.0.1.evil.example"}, {403}),
        (body, {**modern, "Host": "evil.example:80"}, {403, 421}),
    ]
    for sent, headers, statuses in cases:
        response = await door.post(sent, **headers)
        assert response.status_code in statuses, (headers, response.status_code, response.text[:200])
    pages = [("Origin", "http://evil.example"), ("Origin", "http://127.0.0.1")]
    usual = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
    for two in (pages, pages[::-1]):
        assert (await door.client.post(door.url, content=PING, headers=[*usual, *two])).status_code == 403
    assert (await door.ask("tools/call", name="workflow_greet", arguments={}))["isError"] is False


async def test_other_methods_and_places_are_refused(door: Any) -> None:
    for method, expected in (("PUT", {405}), ("PATCH", {405}), ("DELETE", {400, 404, 405})):
        response = await door.client.request(method, door.url)
        assert response.status_code in expected, (method, response.status_code)
    assert (await door.client.get(door.url.replace("/mcp", "/elsewhere"))).status_code == 404
    assert (await door.client.get(door.url.replace("/mcp", "/mcp/../../etc/passwd"))).status_code == 404


async def test_a_body_over_the_cap_is_refused_before_it_is_read(door: Any) -> None:
    too_much = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "y" * 40_000_000}})
    assert (await door.post(too_much)).status_code == 413

    async def endless() -> Any:
        for _ in range(1000):
            yield b"x" * 100_000

    # A client that does not say how much it sends.
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    assert (await door.client.post(door.url, content=endless(), headers=headers)).status_code == 413
    assert "tools" in await door.ask("tools/list")


async def test_requests_that_are_not_served_are_told_so(door: Any) -> None:
    assert (await door.ask("no/such/method"))["code"] == -32601
    assert (await door.ask("tools/call", name="workflow_greet", arguments=[1]))["code"] == -32602
    unknown = await door.call("workflow_gret")
    text = json.dumps(unknown)
    assert "workflow_greet" in text or "workflow:greet" in text
    assert (await door.ask("resources/read", uri="ael://workflows/nothing"))["code"] == -32602
    assert (await door.ask("resources/read", uri="file:///etc/passwd"))["code"] == -32602
