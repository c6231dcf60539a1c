"""How calls of `ael serve` end before their time: cancelled, left alone, queued out, or with the server itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.interfaces.conftest import Raw

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
    project.write("slow.yaml", SLOW.replace("600", "600" if choice == "cancel" else "0.5"))
    async with project.raw() as raw:
        await begin(raw)
        raw.running.stdin.close()
        # Nobody reads the answer any more either, as when a client has died.
        raw.running._transport.get_pipe_transport(1).close()
        assert await raw.running.wait() == 0
    assert executions(ael)[0]["status"] == {"cancel": "cancelled", "continue": "completed"}[choice]


LATER = "name: later\nversion: 1\nsteps: [{id: pause, wait: {seconds: 0.2}}]\noutputs: {done: {value: true}}\n"


def lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps({"jsonrpc": "2.0", **one}).encode() + b"\n" for one in messages)


@pytest.mark.parametrize("sink", ["pipe", "file"])
async def test_what_was_asked_before_the_input_ended_is_answered(project, ael, sink: str) -> None:
    project.write("later.yaml", LATER)
    info = {"name": "t", "version": "1"}
    asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    call = {"name": "workflow:later", "arguments": {}}
    piped = lines(
        {"id": 1, "method": "initialize", "params": asked},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
        {"id": 3, "method": "tools/call", "params": call},
        {"id": 4, "method": "tools/call", "params": {**call, "name": "workflow:quick"}},
    )
    answered = project.root / "answers"
    with answered.open("wb") as file:
        async with project.process(**({} if sink == "pipe" else {"stdout": file})) as running:
            out, _ = await running.communicate(piped)
            assert running.returncode == 0
    answers = {one["id"]: one for one in map(json.loads, (out or answered.read_bytes()).splitlines())}
    assert sorted(answers) == [1, 2, 3, 4]
    assert answers[3]["result"]["structuredContent"] == {"done": True}
    assert answers[4]["result"]["structuredContent"] == {"greeting": "hello you"}
    assert {one["status"] for one in executions(ael)} == {"completed"}


async def test_answers_that_find_no_room_on_their_disk_end_the_server_and_are_told(project) -> None:
    ping = lines({"id": 1, "method": "ping"})
    with Path("/dev/full").open("wb") as full:
        async with project.process(stdout=full) as running:
            await running.communicate(ping)
            assert running.returncode == 1
    assert "No space left on device" in project.errors
    assert "INTERNAL_ERROR" not in project.errors


async def test_subscriptions_end_with_the_input_whether_they_had_begun_or_not(project) -> None:
    prefix = "io.modelcontextprotocol/"
    info = {"name": "t", "version": "1"}
    envelope = {
        f"{prefix}protocolVersion": "2026-07-28", f"{prefix}clientCapabilities": {}, f"{prefix}clientInfo": info,
    }  # fmt: skip
    params = {"notifications": {"toolsListChanged": True}, "_meta": envelope}
    async with project.process() as running:
        running.stdin.write(lines({"id": 1, "method": "subscriptions/listen", "params": params}))
        begun = json.loads(await running.stdout.readline())
        assert begun["method"] == "notifications/subscriptions/acknowledged"
        rest, _ = await running.communicate(lines({"id": 2, "method": "subscriptions/listen", "params": params}))
        assert running.returncode == 0
    ended = [message["id"] for message in map(json.loads, rest.splitlines()) if "result" in message]
    assert sorted(ended) == [1, 2]


async def test_a_client_may_speak_over_one_socket_for_both_directions(project, ael) -> None:
    project.write("slow.yaml", SLOW)
    ours, theirs = socket.socketpair()
    async with project.process(stdin=theirs, stdout=theirs) as running:
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        # As `project.raw` would have it.
        running.stdin, running.stdout = writer, reader
        raw = await Raw(running).open()
        for _ in range(3):
            assert (await raw.call("workflow:quick"))["structuredContent"] == {"greeting": "hello you"}
        await begin(raw)
        writer.close()
        assert await running.wait() == 0
    assert executions(ael)[0]["status"] == "cancelled"


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
    async with project.over_http() as url, httpx2.AsyncClient(timeout=60) as client:
        headers, envelope = await project.opened(client, url, era)
        params = {"name": "workflow:slow", "arguments": {}, "_meta": {**envelope, "progressToken": "p"}}
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        more = {"Mcp-Method": "tools/call", "Mcp-Name": "workflow:slow"} if era == "modern" else {}
        async with client.stream("POST", url, json=body, headers={**headers, **more}) as response:
            async for line in response.aiter_lines():
                if "notifications/progress" in line:
                    break
        assert await ended(ael) == {"cancel": "cancelled", "continue": "completed"}[choice]


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
        async with (
            project.process("--transport", "http", "--port", "0") as running,
            httpx2.AsyncClient(timeout=60) as client,
        ):
            url = await project.said(r"Listening on (\S+)", running)
            headers, envelope = await project.opened(client, url, "handshake")
            params = {"name": "workflow:slow", "arguments": {}, "_meta": {**envelope, "progressToken": "p"}}
            body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
            lines = []
            async with client.stream("POST", url, json=body, headers=headers, timeout=60) as response:
                async for line in response.aiter_lines():
                    lines.append(line)
                    if "notifications/progress" in line:
                        running.send_signal(number)
            assert "AEL is shutting down" in lines[-2]
            assert await running.wait() == code
    assert executions(ael)[0]["status"] == "cancelled"


@pytest.mark.parametrize("more", [{}, {"Last-Event-ID": "7"}], ids=["new", "resumed"])
async def test_a_stream_of_news_ends_with_the_server_and_leaves_no_stack(project, more: dict[str, str]) -> None:
    async with (
        project.process("--transport", "http", "--port", "0") as running,
        httpx2.AsyncClient(timeout=60) as client,
    ):
        url = await project.said(r"Listening on (\S+)", running)
        headers, _ = await project.opened(client, url, "handshake")
        async with client.stream("GET", url, headers=headers | more, timeout=60) as response:
            assert response.status_code == 200
            running.send_signal(signal.SIGTERM)
            # To its proper end: one that was cut off would be an error here.
            assert [line async for line in response.aiter_lines() if line.startswith("data")] == []
        assert await running.wait() == 143
    assert "Traceback" not in project.errors
    assert "ERROR" not in project.errors


async def test_a_session_that_ends_under_its_requests_leaves_no_stack(project) -> None:
    project.write("slow.yaml", SLOW)
    call = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "workflow:slow"}}
    async with project.over_http() as url, httpx2.AsyncClient(timeout=60) as client:
        where = httpx2.URL(url)
        for _ in range(5):
            headers, _ = await project.opened(client, url, "handshake")
            calls = client.build_request("POST", url, json=call, headers=headers)
            ends = client.build_request("DELETE", url, headers=headers)
            # One right after the other, by connections of their own.
            streams = [await asyncio.open_connection(where.host, where.port) for _ in range(2)]
            for request, (_, writer) in zip((calls, ends), streams, strict=True):
                head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
                writer.write(f"{request.method} /mcp HTTP/1.1\r\n{head}\r\n".encode() + request.read())
            streams[0][1].close()
            assert (await streams[1][0].readline()).split()[1] == b"200"
            streams[1][1].close()
        assert (await client.get(url.replace("/mcp", "/health"))).status_code == 200
    assert "Traceback" not in project.errors


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


def message_of(answer: httpx2.Response) -> dict[str, Any]:
    """Return the last message of an answer, which is JSON or a stream of events."""
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith(("{", "data: {"))]
    found: dict[str, Any] = json.loads(lines[-1])
    return found


async def test_an_id_that_is_taken_is_refused_and_the_first_request_can_still_be_cancelled_over_stdio(
    project, ael
) -> None:
    project.write("slow.yaml", SLOW)
    async with project.raw() as raw:
        number = await begin(raw)
        for taken in (number, str(number)):
            raw.tell("ping", {}, taken)
            answer = await raw.read()
            # Under the id itself it would be taken for the answer to the first.
            assert answer["id"] is None
            assert "a request with this id still runs" in answer["error"]["message"]
        raw.tell("notifications/cancelled", {"requestId": number})
        assert await ended(ael) == "cancelled"
        # What was cancelled is never answered, and its id is free again soon after it is on record.
        raw.tell("ping", {}, number)
        while "error" in (answer := await raw.read()):
            raw.tell("ping", {}, number)
        assert answer == {"jsonrpc": "2.0", "id": number, "result": {}}


async def test_an_id_that_is_taken_is_refused_within_its_session_of_http_and_free_in_others(project, ael) -> None:
    project.write("slow.yaml", SLOW)
    async with project.over_http() as url, httpx2.AsyncClient(timeout=60) as client:
        mine, _ = await project.opened(client, url, "handshake")
        other, _ = await project.opened(client, url, "handshake")
        modern, envelope = await project.opened(client, url, "modern")
        params: dict[str, Any] = {"name": "workflow:slow", "arguments": {}, "_meta": {"progressToken": "p"}}
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        async with client.stream("POST", url, json=body, headers=mine) as running:
            # Held: a loop that is left would close the response with it.
            lines = running.aiter_lines()
            async for line in lines:
                if "notifications/progress" in line:
                    break
            for taken in (7, "7", "_GET_stream"):
                refused = await client.post(url, json={"jsonrpc": "2.0", "id": taken, "method": "ping"}, headers=mine)
                assert refused.status_code == 400
                assert refused.json()["id"] is None
                assert "a request with this id still runs" in refused.json()["error"]["message"]
            ping = {"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {}}
            assert message_of(await client.post(url, json=ping, headers=other))["result"] == {}
            quick = {"name": "workflow:quick", "arguments": {}, "_meta": envelope}
            more = {"Mcp-Method": "tools/call", "Mcp-Name": "workflow:quick"}
            again = await client.post(url, json={**body, "params": quick}, headers={**modern, **more})
            assert message_of(again)["result"]["structuredContent"] == {"greeting": "hello you"}
            # Only the session that has begun it can cancel it.
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
            assert (await client.post(url, json=cancel, headers=other)).status_code == 202
            assert json.loads((await asyncio.to_thread(ael, "executions", "list", "--json")).stdout)[1]["status"] == (
                "waiting"
            )
            assert (await client.post(url, json=cancel, headers=mine)).status_code == 202
            async for _ in lines:
                pass
        rows = json.loads((await asyncio.to_thread(ael, "executions", "list", "--json")).stdout)
        assert [row["status"] for row in rows] == ["completed", "cancelled"]
        assert message_of(await client.post(url, json=ping, headers=mine))["result"] == {}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_call_over_stdio_is_answered_before_a_signal_ends_the_server(
    project, ael, number: int, code: int
) -> None:
    project.write("slow.yaml", SLOW)
    async with project.raw() as raw:
        called = await begin(raw)
        raw.running.send_signal(number)
        result = (await raw.answer(called))["result"]
        assert result["isError"]
        error = result["_meta"]["error"]
        assert (error["code"], error["retryable"]) == ("EXECUTION_CANCELLED", True)
        assert "AEL is shutting down" in result["content"][0]["text"]
        assert await raw.running.wait() == code
        (row,) = json.loads((await asyncio.to_thread(ael, "executions", "list", "--json")).stdout)
        assert row["status"] == "cancelled"
        # So that an agent can look at what was done.
        assert result["_meta"]["execution_id"] == row["execution_id"]
    assert "Traceback" not in project.errors


async def test_a_client_that_takes_no_answers_does_not_keep_a_signal_from_ending_the_server(project, ael) -> None:
    project.write("big.yaml", project.quick.replace("quick", "big").replace("hello", "x" * 300_000))
    async with project.raw() as raw:
        with contextlib.suppress(ConnectionError):
            for _ in range(4):
                raw.send("tools/call", {"name": "workflow:big", "arguments": {}})
            await raw.running.stdin.drain()
        while len(json.loads((await asyncio.to_thread(ael, "executions", "list", "--json")).stdout)) < 4:
            pass
        raw.running.send_signal(signal.SIGTERM)
        assert await raw.running.wait() == 143
    assert "Traceback" not in project.errors
