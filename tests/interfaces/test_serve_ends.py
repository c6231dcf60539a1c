"""How calls of `ael serve` end before their time: cancelled, left alone, queued out, or with the server itself."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import httpx2
import pytest

SLOW = "name: slow\nversion: 1\nsteps:\n  - {id: first, wait: {seconds: 0}}\n  - {id: long, wait: {seconds: 600}}\n"


def executions(ael) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ael("executions", "list", "--json").stdout)
    return found


async def ended(ael) -> str:
    """Wait until the only execution has ended; return how."""
    while True:
        rows = await asyncio.to_thread(executions, ael)
        if rows and rows[0]["status"] not in {"running", "waiting", "pending"}:
            return str(rows[0]["status"])


async def begin(raw, name: str = "workflow:slow") -> int:
    """Call a slow workflow, and return the request once its first step has ended."""
    number: int = raw.send("tools/call", {"name": name, "arguments": {}, "_meta": {"progressToken": "p"}})
    while (await raw.read())["method"] != "notifications/progress":
        pass
    return number


async def test_cancelling_a_call_cancels_its_execution_and_is_on_record(project, ael) -> None:
    project.write("slow.yaml", SLOW)
    async with project.raw() as raw:
        number = await begin(raw)
        raw.tell("notifications/cancelled", {"requestId": number})
        assert await ended(ael) == "cancelled"
        assert not (await raw.call("workflow:quick"))["isError"]


@pytest.mark.parametrize("choice", ["cancel", "continue"])
async def test_what_a_client_left_alone_is_cancelled_or_goes_on(project, ael, choice: str) -> None:
    project.configure({"execution": {"on_disconnect": choice}})
    project.write("slow.yaml", SLOW.replace("600", "0.5"))
    async with project.raw() as raw:
        await begin(raw)
        raw.running.stdin.close()
        assert await raw.running.wait() == 0
    assert executions(ael)[0]["status"] == {"cancel": "cancelled", "continue": "completed"}[choice]


@pytest.mark.parametrize(
    ("era", "choice"),
    [
        ("handshake", "cancel"),
        ("modern", "cancel"),
        ("modern", "continue"),
        pytest.param("handshake", "continue", marks=pytest.mark.slow),
    ],
)
async def test_a_dropped_request_of_http_is_cancelled_or_goes_on(project, ael, era: str, choice: str) -> None:
    project.configure({"execution": {"on_disconnect": choice}})
    project.write("slow.yaml", SLOW.replace("600", "600" if choice == "cancel" else "1"))
    async with project.over_http() as url, httpx2.AsyncClient() as client:
        headers, envelope = await opened(client, url, era)
        params = {"name": "workflow:slow", "arguments": {}, "_meta": {**envelope, "progressToken": "p"}}
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        more = {"Mcp-Method": "tools/call", "Mcp-Name": "workflow:slow"} if era == "modern" else {}
        async with client.stream("POST", url, json=body, headers={**headers, **more}) as response:
            async for line in response.aiter_lines():
                if "notifications/progress" in line:
                    break
        assert await ended(ael) == {"cancel": "cancelled", "continue": "completed"}[choice]


async def opened(client, url: str, era: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the headers and the `_meta` of requests."""
    accept = {"Accept": "application/json, text/event-stream"}
    prefix = "io.modelcontextprotocol/"
    if era == "modern":
        version = "2026-07-28"
        envelope = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
        return {**accept, "MCP-Protocol-Version": version}, envelope
    info = {"name": "t", "version": "1"}
    asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    answer = await client.post(
        url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}, headers=accept
    )
    headers = {
        **accept, "MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": answer.headers["mcp-session-id"],
    }  # fmt: skip
    await client.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    return headers, {}


@pytest.mark.parametrize(
    ("number", "code", "transport"),
    [
        (signal.SIGINT, 130, "stdio"),
        (signal.SIGTERM, 143, "http"),
        pytest.param(signal.SIGTERM, 143, "stdio", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, "http", marks=pytest.mark.slow),
    ],
)
async def test_a_signal_puts_what_runs_on_record_before_the_server_ends(
    project, ael, number: int, code: int, transport: str
) -> None:
    project.write("slow.yaml", SLOW)
    if transport == "stdio":
        async with project.raw() as raw:
            await begin(raw)
            raw.running.send_signal(number)
            assert await raw.running.wait() == code
    else:
        async with project.process("--transport", "http", "--port", "0") as running, httpx2.AsyncClient() as client:
            url = await project.said(r"Listening on (\S+)", running)
            headers, envelope = await opened(client, url, "handshake")
            params = {"name": "workflow:slow", "arguments": {}, "_meta": {**envelope, "progressToken": "p"}}
            body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
            lines = []
            async with client.stream("POST", url, json=body, headers=headers, timeout=60) as response:
                async for line in response.aiter_lines():
                    lines.append(line)
                    if "notifications/progress" in line:
                        running.send_signal(number)
            assert "the server is stopping" in lines[-2]
            assert await running.wait() == code
    assert executions(ael)[0]["status"] == "cancelled"


async def test_a_stream_of_news_ends_with_the_server_and_leaves_no_stack(project) -> None:
    async with project.process("--transport", "http", "--port", "0") as running, httpx2.AsyncClient() as client:
        url = await project.said(r"Listening on (\S+)", running)
        headers, _ = await opened(client, url, "handshake")
        async with client.stream("GET", url, headers=headers, timeout=60) as response:
            assert response.status_code == 200
            running.send_signal(signal.SIGTERM)
            # To its proper end: one that was cut off would be an error here.
            assert [line async for line in response.aiter_lines() if line.startswith("data")] == []
        assert await running.wait() == 143
    assert "Traceback" not in project.errors
    assert "ERROR" not in project.errors


async def test_a_full_queue_is_told_and_may_be_tried_again(project) -> None:
    project.configure({"execution": {"max_concurrent": 1, "queue_limit": 0}})
    project.write("slow.yaml", SLOW)
    async with project.raw() as raw:
        await begin(raw)
        refused = await raw.call("workflow:quick")
        assert refused["isError"]
        error = refused["_meta"]["error"]
        assert (error["code"], error["retryable"]) == ("QUEUE_FULL", True)
        assert "1 executions run" in refused["content"][0]["text"]


async def test_an_approval_that_nobody_can_give_fails_clearly(project) -> None:
    project.write(
        "ask.yaml", 'name: ask\nversion: 1\nsteps: [{id: sure, approval: {message: "Really?", timeout: 1}}]\n'
    )
    async with project.raw() as raw:
        result = await raw.call("workflow:ask")
        assert result["isError"]
        assert result["_meta"]["error"]["step_id"] == "sure"
