"""Servers that are reached by a URL: the SDK's own over streamable HTTP and SSE, and hostile ones."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ael.errors import AelError
from ael.tools import CallContext
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import IDEMPOTENCY_KEY, Gateway
from ael.tools.servers import McpServer, ServerConfig

SERVERS = Path(__file__).parent / "servers"


@pytest.fixture
def start() -> Iterator[Callable[..., int]]:
    """Start a server of ours and return its port."""
    processes: list[subprocess.Popen[str]] = []

    def make(program: str, *way: str) -> int:
        command = [sys.executable, str(SERVERS / program), *way]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield make
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Any]]:
    """Return a call through the gateway to a server at a URL."""
    # A second of work, and many on a busy machine: not within the time limit of a test.
    importlib.import_module("ael.tools.http")
    catalogs: list[ToolCatalog] = []

    def make(url: str, **more: Any) -> Callable[..., Any]:
        config = ServerConfig(url=url, **{"startup_timeout": 60, "timeout": 60, **more})
        catalog = ToolCatalog([McpServer("s", config)], {"s": config})
        catalogs.append(catalog)

        async def record(report: object) -> None:
            pass

        context = CallContext(scope=("*",), record=record, key="exec-1/step", resolved={})
        gateway = Gateway(catalog)

        async def call(name: str, **params: Any) -> Any:
            return await gateway.call(name, params, context)

        return call

    yield make
    for catalog in catalogs:
        await catalog.close()


async def failing(call: Callable[..., Any], **params: Any) -> AelError:
    with pytest.raises(AelError) as caught:
        await call("s__act", **(params or {"n": 1}))
    return caught.value


@pytest.mark.parametrize(
    ("way", "path", "transport"),
    [
        ("events", "/mcp", None),
        ("json", "/mcp", "http"),
        ("sse", "/sse", "sse"),
        ("sse", "/sse", None),
    ],
)
async def test_the_sdks_own_server_answers_over_every_transport(start, connect, way, path, transport) -> None:
    call = connect(f"http://127.0.0.1:{start('over_http.py', way)}{path}", transport=transport)
    found = await call("act", n=4)
    assert found["got"] == 4
    assert found["meta"][IDEMPOTENCY_KEY] == "exec-1/step/1"
    assert await call("large", size=300_000) in ("x" * 300_000, {"result": "x" * 300_000})


@pytest.mark.parametrize("way", ["plain", "events"])
async def test_the_older_era_has_a_session_and_repeats_its_version(start, connect, way: str) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', way)}/mcp")
    assert await call("act") == {"session": "s-0", "version": "2025-11-25"}


async def test_headers_open_what_is_locked_and_without_them_the_error_says_so(start, connect) -> None:
    url = f"http://127.0.0.1:{start('hostile_http.py', 'locked')}/mcp"
    assert (await connect(url, headers={"Authorization": "Bearer right"})("act"))["session"] == "s-0"
    error = await failing(connect(url))
    assert error.code == "MCP_CONNECTION_FAILED"
    assert "HTTP 401 Unauthorized" in error.detail
    assert "headers" in (error.suggestion or "")


async def test_a_forgotten_session_fails_its_call_and_the_next_one_opens_another(start, connect) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', 'forgets')}/mcp")
    error = await failing(call)
    assert (error.code, error.retryable) == ("TOOL_UNAVAILABLE", True)
    assert "forgotten the session" in error.detail
    assert (await call("act"))["session"] == "s-1"


@pytest.mark.parametrize(
    ("way", "code", "part", "retryable"),
    [
        ("down", "MCP_CONNECTION_FAILED", "HTTP 503 Service Unavailable", True),
        ("missing", "MCP_CONNECTION_FAILED", "HTTP 404 Not Found", True),
        ("broken", "TOOL_FAILED", "HTTP 500 Internal Server Error", True),
        ("large_header", "TOOL_UNAVAILABLE", "went away", True),
        ("cut_events", "TOOL_UNAVAILABLE", "ended without a response", True),
        ("slow", "TOOL_TIMEOUT", "did not answer in time", True),
        ("endless", "TOOL_FAILED", "larger than", False),
        ("endless_event", "TOOL_FAILED", "byte limit", False),
        ("flood", "TOOL_TIMEOUT", "did not answer in time", True),
        ("silent", "MCP_CONNECTION_FAILED", "did not answer within 2s", True),
        ("busy", "TOOL_FAILED", "HTTP 429 Too Many Requests", True),
        ("refuses", "TOOL_FAILED", "HTTP 403 Forbidden", False),
        ("expired", "TOOL_FAILED", "HTTP 401 Unauthorized", False),
        ("limited", "MCP_CONNECTION_FAILED", "HTTP 429 Too Many Requests", True),
        ("turns", "MCP_CONNECTION_FAILED", "not followed", True),
        ("bad_chunks", "TOOL_UNAVAILABLE", "went away", True),
        ("page", "TOOL_FAILED", "text/html", False),
        ("garbage", "TOOL_FAILED", "it is no JSON: key must be a string", False),
        ("other_json", "TOOL_FAILED", "it is no message of JSON-RPC", False),
        ("half", "TOOL_FAILED", "half a character", False),
        ("bomb", "TOOL_FAILED", "it is no JSON", False),
        ("huge", "TOOL_FAILED", "larger than", False),
        ("huge_event", "TOOL_FAILED", "byte limit", False),
        ("cut", "TOOL_UNAVAILABLE", "went away", True),
        ("wrong_id", "TOOL_TIMEOUT", "did not answer in time", True),
        ("stuck", "TOOL_TIMEOUT", "did not answer in time", True),
    ],
)
async def test_what_a_server_does_wrong_is_said_as_it_is(start, connect, way, code, part, retryable) -> None:
    url = f"http://127.0.0.1:{start('hostile_http.py', way)}/mcp"
    limits = {"startup_timeout": 2 if way == "silent" else 60, "timeout": 1 if code == "TOOL_TIMEOUT" else 60}
    call = connect(url, **limits, max_result_bytes=1_000_000)
    error = await failing(call)
    assert error.code == code
    assert part in error.detail
    assert "pydantic" not in error.detail
    assert "evil.example" not in error.detail
    # What it answers to somebody who asks for its own stream of events is no reason of anything else.
    assert "HTTP 405" not in error.detail
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("way", "transport", "code", "seconds"),
    [
        ("busy", None, "TOOL_FAILED", 7.0),
        ("moved", None, "TOOL_FAILED", 7.0),
        ("busy_until", None, "TOOL_FAILED", 30.0),
        ("busy_in_words", None, "TOOL_FAILED", 7.0),
        ("refuses", None, "TOOL_FAILED", None),
        ("limited", None, "MCP_CONNECTION_FAILED", 3600.0),
        ("down", "sse", "MCP_CONNECTION_FAILED", 3600.0),
    ],
)
async def test_how_long_a_server_asks_to_wait_is_told(start, connect, way, transport, code, seconds) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', way)}/mcp", transport=transport, timeout=60)
    error = await failing(call)
    assert (error.code, error.retryable, error.retry_after) == (code, seconds is not None, seconds)
    assert error.record().retry_after == seconds
    assert ("as the server asks" in error.suggestion) is (seconds is not None)


async def test_an_answer_counts_though_its_stream_goes_on(start, connect) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', 'open_end')}/mcp")
    for _ in range(30):
        assert (await call("act"))["session"] == "s-0"


@pytest.mark.parametrize("way", ["odd", "odd_events"])
async def test_a_definition_with_half_a_character_costs_no_other_tool(start, connect, way: str) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', way)}/mcp")
    assert (await call("s__act"))["session"] == "s-0"
    with pytest.raises(AelError) as caught:
        await call("s__half")
    assert "half a character" in caught.value.detail


async def test_half_a_character_costs_a_server_of_the_older_kind_one_tool_or_one_call(start, connect) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', 'odd_sse')}/sse", transport="sse", timeout=60)
    assert await call("s__act") == "whole"
    for tool, params in (("s__half", {}), ("s__act", {"n": 1})):
        with pytest.raises(AelError) as caught:
            await call(tool, **params)
        assert "half a character" in caught.value.detail
    assert await call("s__act") == "whole"


async def test_a_redirect_to_another_place_is_not_followed_with_our_headers(start, connect) -> None:
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as elsewhere:
        port = start("hostile_http.py", "elsewhere", str(elsewhere.sockets[0].getsockname()[1]))
        error = await failing(connect(f"http://127.0.0.1:{port}/mcp", headers={"Authorization": "Bearer right"}))
    assert error.code == "MCP_CONNECTION_FAILED"
    assert "not followed" in error.detail
    assert heard == []


async def test_a_server_that_wants_its_stream_opened_again_and_again_is_slowed_down(start, connect) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', 'reopen')}/mcp")
    await call("act")
    time = asyncio.get_running_loop().time
    begun = time()
    opened = [(await call("act"))["streams"] for _ in range(200)]
    # Each stream lasts a second; else there were one for each call, or more.
    assert opened[-1] - opened[0] <= time() - begun + 1


async def test_a_server_of_the_older_kind_that_takes_no_messages_is_connected_anew(start, connect) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', 'deaf_sse')}/sse", transport="sse")
    for _ in range(2):
        error = await failing(call)
        assert (error.code, error.retryable) == ("TOOL_UNAVAILABLE", True)
        assert "HTTP 500" in error.detail


async def test_refusals_are_told_to_those_whom_they_were_meant_for(start, connect) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', 'mixed')}/mcp")
    errors = await asyncio.gather(*(failing(call, n=number) for number in range(16)))
    for number, error in enumerate(errors):
        assert f"HTTP {429 if number % 2 else 403}" in error.detail
        assert error.retryable is bool(number % 2)


async def test_a_connection_that_is_cut_costs_its_own_call(start, connect) -> None:
    call = connect(f"http://127.0.0.1:{start('hostile_http.py', 'cut_one')}/mcp")
    async with asyncio.TaskGroup() as group:
        first = group.create_task(call("act", n=0))
        error = await failing(call, n=1)
        third = group.create_task(call("act", n=2))
    assert error.code == "TOOL_UNAVAILABLE"
    assert "the connection was cut" in error.detail
    assert [(await one)["session"] for one in (first, third)] == ["s-0", "s-0"]


async def test_nobody_at_the_url_is_told(connect) -> None:
    error = await failing(connect("http://127.0.0.1:9/mcp"))
    assert error.code == "MCP_CONNECTION_FAILED"
    assert "http://127.0.0.1:9/mcp" in error.detail


async def test_a_server_that_comes_back_is_used_again(start, connect) -> None:
    port = start("hostile_http.py", "cut")
    call = connect(f"http://127.0.0.1:{port}/mcp")
    assert (await failing(call)).code == "TOOL_UNAVAILABLE"
    # The connection is made anew for each call, however often it breaks.
    assert (await failing(call)).code == "TOOL_UNAVAILABLE"
