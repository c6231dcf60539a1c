"""`ael serve` in a crowd: nobody is left without an answer, nobody holds up the others, and nothing stays behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]

pytestmark = pytest.mark.slow

ADD = """
name: add
version: "1.0"
inputs:
  n: {type: integer}
steps:
  - id: add
    code: |
      return {"n": inputs["n"] + 1}
output: "{{ steps.add.output }}"
"""

MEASURE = """
name: measure
version: "1.0"
inputs:
  data: {type: string}
steps:
  - id: measure
    tool: measure
    params: {data: "{{ inputs.data }}"}
output: {length: "{{ steps.measure.output }}"}
"""


@pytest.fixture
def noted(named_pipe: Callable[[Path], Any], log: Path) -> Any:
    """Return what the server for crowds notes, as it notes it."""
    return named_pipe(log)


@pytest.fixture
def crowd(
    configure_crowd: Callable[..., None], serve: Serve, talk: Callable[[str], Any], noted: Any
) -> Callable[..., tuple[Any, Any]]:
    """Return `ael serve` with the server for crowds behind it, and a client of it."""

    def start(**execution: Any) -> tuple[Any, Any]:
        limits = {"max_concurrent": 300, "queue_limit": 5000, **execution}
        configure_crowd({"add": ADD, "measure": MEASURE}, execution=limits)
        serving = serve()
        return serving, talk(serving.url)

    return start


def noticed(**times: int) -> Callable[[str], bool]:
    """Tell whether words are noted as often as given."""
    return lambda text: all(text.split().count(word) == count for word, count in times.items())


async def test_two_hundred_clients_at_once_are_all_answered_in_both_eras(crowd: Any) -> None:
    _, door = crowd()
    answers = await asyncio.gather(*(door.call("workflow_add", n=n) for n in range(200)))
    assert [one["structuredContent"] for one in answers] == [{"n": n + 1} for n in range(200)]

    async def in_session(n: int) -> Any:
        session = await door.open_session()
        params = {"name": "workflow_add", "arguments": {"n": n}}
        body = json.dumps({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params})
        response = await door.post(body, Mcp_Session_Id=session)
        assert f'"n":{n + 1}' in response.text.replace(" ", "").replace("\\", ""), response.text

    await asyncio.gather(*(in_session(n) for n in range(200)))


async def test_what_does_not_fit_into_the_queue_is_told_and_the_rest_is_served(crowd: Any, noted: Any) -> None:
    _, door = crowd(max_concurrent=1, queue_limit=2)
    first = asyncio.ensure_future(door.call("workflow_hold"))
    await noted.until(noticed(held=1))
    calls = [asyncio.ensure_future(door.call("workflow_add", n=n)) for n in range(20)]
    refused = [await answer for _, answer in zip(range(18), asyncio.as_completed(calls), strict=False)]
    assert {one["_meta"]["error"]["code"] for one in refused} == {"QUEUE_FULL"}
    assert all(one["_meta"]["error"]["retryable"] for one in refused)
    # Who leaves makes room for those who wait.
    first.cancel()
    answers = await asyncio.gather(*calls)
    assert [one["isError"] for one in answers].count(False) == 2


async def test_a_client_that_does_not_read_its_answer_holds_up_nobody(crowd: Any) -> None:
    serving, door = crowd()
    body, headers = door.request("tools/call", name="large", arguments={"size": 8_000_000})
    head = {"Host": f"127.0.0.1:{serving.port}", "Content-Length": str(len(body)), "Content-Type": "application/json"}
    head |= {"Accept": "application/json, text/event-stream"}
    head |= {name.replace("_", "-"): value for name, value in headers.items()}
    sent = "POST /mcp HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in head.items()) + "\r\n" + body
    writers = []
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port, limit=1)
        writer.write(sent.encode())
        await writer.drain()
        writers.append(writer)
    answers = await asyncio.gather(*(door.call("workflow_add", n=n) for n in range(20)))
    assert all(one["isError"] is False for one in answers)
    for writer in writers:
        writer.transport.abort()


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_who_leaves_in_mid_call_has_the_execution_cancelled(crowd: Any, ael: Any, noted: Any, era: str) -> None:
    _, door = crowd()
    await leave(door, era, noted)
    await noted.until(noticed(cancelled=1))
    assert await end_of(ael) == ("cancelled", None)


async def test_who_leaves_has_the_execution_go_on_where_it_is_configured_so(crowd: Any, ael: Any, noted: Any) -> None:
    _, door = crowd(on_disconnect="continue")
    await leave(door, "modern", noted)
    assert (await asyncio.to_thread(shown, ael))["status"] == "running"
    await door.call("release")
    assert await end_of(ael) == ("completed", "released")
    assert noticed(cancelled=0)(noted.text)


async def leave(door: Any, era: str, noted: Any) -> None:
    """Call what waits, and hang up when it does. In the older era hanging up means nothing: one says so."""
    if era == "modern":
        call = asyncio.ensure_future(door.call("workflow_hold"))
        await noted.until(noticed(held=1))
    else:
        session = {"Mcp_Session_Id": await door.open_session()}
        body = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "workflow_hold", "arguments": {}}}
        call = asyncio.ensure_future(door.post(json.dumps(body), **session))
        await noted.until(noticed(held=1))
        said = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
        assert (await door.post(json.dumps(said), **session)).status_code == 202
    call.cancel()
    await asyncio.wait([call])


def shown(ael: Any) -> dict[str, Any]:
    rows = json.loads(ael("executions", "list", "--workflow", "hold", "--json").stdout)
    found: dict[str, Any] = json.loads(ael("executions", "show", rows[0]["execution_id"], "--json").stdout)
    return found


async def end_of(ael: Any) -> tuple[str, Any]:
    """Ask for the execution until it has ended; return how and with what."""
    while (found := await asyncio.to_thread(shown, ael))["status"] == "running":
        pass
    return found["status"], found["outputs"]


async def test_large_arguments_and_large_results_pass_whole(crowd: Any) -> None:
    _, door = crowd()
    four = "é" * 1_900_000
    assert (await door.call("measure", data=four))["content"][0]["text"] == "1900000"
    assert (await door.call("workflow_measure", data=four))["structuredContent"] == {"length": "1900000"}
    large = await door.call("large", size=10_000_000)
    assert len(large["content"][0]["text"]) == 10_000_000


async def test_nothing_stays_behind_when_a_crowd_has_gone(crowd: Any, footprint: Any, noted: Any) -> None:
    serving, door = crowd()

    async def rest(is_quiet: Callable[[], bool]) -> None:
        """Have the server take its turns until it is."""
        while not is_quiet():
            await door.ask("tools/list")

    async def storm() -> None:
        noted.forget()
        calls = [asyncio.ensure_future(door.call("workflow_hold")) for _ in range(50)]
        await noted.until(noticed(held=50))
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await noted.until(noticed(cancelled=50))
        for _ in range(10):
            await asyncio.gather(*(door.open_session() for _ in range(100)))
        await asyncio.gather(*(door.post("[" * 10_000) for _ in range(100)))
        await asyncio.gather(*(door.call("workflow_add", n=n) for n in range(100)))

    await storm()
    pid = serving.process.pid
    await rest(lambda: footprint(pid).descriptors < 100)
    before = footprint(pid)
    await storm()
    await rest(lambda: footprint(pid).descriptors <= before.descriptors + 5)
    after = footprint(pid)
    assert after.threads <= before.threads + 2
    assert after.children <= before.children
    # A thousand sessions that nobody ended are still there, at some KiB each, until they expire.
    assert after.resident_bytes < before.resident_bytes + 60_000_000
    assert serving.stop() == 143  # ended by SIGTERM, as asked
