"""What is wrong on the way in over standard streams costs the line that is wrong and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def pipes(configure_crowd: Callable[..., None], pipe: Callable[..., Any]) -> Any:
    configure_crowd()
    return pipe()


def test_lines_that_are_no_messages_are_passed_over(pipes: Any) -> None:
    for line in (
        b"",
        b"hello",
        b"{",
        b"\xff\xfe\x00\x01",
        b"[]",
        b"[[[[",
        b"null",
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":[],"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1}',
        b"[" * 50_000 + b"]" * 50_000,
        b"x" * 3_000_000,
        b'{"jsonrpc":"2.0","id":77,"result":{}}',
    ):
        pipes.send(line)
        assert "result" in pipes.ask("ping")
    names = [tool["name"] for tool in pipes.ask("tools/list")["result"]["tools"]]
    assert names == ["workflow_hold", "hold", "large", "measure", "release"]
    code, said = pipes.end()
    assert code == 0
    assert "Traceback" not in said


def test_a_request_that_is_no_message_is_answered_under_its_id(pipes: Any) -> None:
    inside = b'"method":"tools/call","params":{"name":"measure","arguments":{"data":%s}}}'
    deep = b"[" * 400 + b"]" * 400
    for line, number, code in (
        (b'{"jsonrpc":"2.0","id":501,' + inside % rb'"\ud800"', 501, -32600),
        (b'{"jsonrpc":"2.0","id":"five",' + inside % deep, "five", -32600),
        (b'{"jsonrpc":"1.0","id":503,"method":"ping"}', 503, -32600),
        (b"[]", None, -32600),
        (b'{"jsonrpc":', None, -32700),
    ):
        pipes.send(line)
        assert pipes.process.stdout is not None
        found = json.loads(pipes.process.stdout.readline())
        assert (found["id"], found["error"]["code"]) == (number, code), line[:60]
    # What may be an answer is not answered.
    pipes.send(b'{"jsonrpc":"2.0","id":9,"result":7,"error":7}')
    assert "result" in pipes.ask("ping")


def test_what_a_tools_parameters_cannot_hold_is_told_by_their_names(pipes: Any) -> None:
    pipes.send(
        b'{"jsonrpc":"2.0","id":700,"method":"tools/call","params":{"name":"measure","arguments":{"data":[NaN]}}}'
    )
    found = json.loads(pipes.process.stdout.readline())["result"]
    assert found["isError"] is True
    assert found["_meta"]["error"]["code"] == "PARAM_INVALID"
    assert "parameters.data[0] is nan" in found["content"][0]["text"]


def test_a_large_line_in_and_a_large_line_out_are_whole(pipes: Any) -> None:
    found = pipes.ask("tools/call", name="measure", arguments={"data": "x" * 4_000_000})
    assert found["result"]["content"][0]["text"] == "4000000"
    found = pipes.ask("tools/call", name="large", arguments={"size": 10_000_000})
    assert len(found["result"]["content"][0]["text"]) == 10_000_000
    assert pipes.end()[0] == 0


def test_who_goes_away_in_mid_call_has_it_cancelled_and_the_server_ended(pipes: Any, ael: Any, log: Path) -> None:
    number = pipes.start("tools/call", name="workflow_hold", arguments={})
    while not log.exists():
        assert "result" in pipes.ask("ping")
    assert number
    code, said = pipes.leave()
    assert code == 0, said
    assert "Traceback" not in said
    assert log.read_text().split()[0] == "held"
    rows = json.loads(ael("executions", "list", "--json").stdout)
    assert [(row["workflow"], row["status"]) for row in rows] == [("hold", "cancelled")]


def test_half_a_line_at_the_end_of_the_input_is_no_message(pipes: Any) -> None:
    assert pipes.process.stdin is not None
    pipes.process.stdin.write(b'{"jsonrpc":"2.0","id":9,"method":"tools/li')
    pipes.process.stdin.flush()
    code, said = pipes.end()
    assert code == 0
    assert "Traceback" not in said


def test_a_closed_output_ends_it_quietly(pipes: Any) -> None:
    assert pipes.process.stdout is not None
    pipes.process.stdout.close()
    pipes.start("tools/list")
    assert pipes.process.stderr is not None
    said = pipes.process.stderr.read().decode()
    pipes.process.wait(60)
    assert "Traceback" not in said


def test_calls_that_are_cancelled_at_any_moment_leave_nothing_running(pipes: Any, ael: Any) -> None:
    for number in range(1000, 1150):
        tool = ("workflow_hold", "hold", "measure")[number % 3]
        arguments = {"data": "x"} if tool == "measure" else {}
        params = {"name": tool, "arguments": arguments}
        pipes.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        if number >= 1008:
            # Of calls that are old, young, and no more.
            said = {"requestId": number - number % 9}
            pipes.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": said})
    assert "result" in pipes.ask("ping")
    assert pipes.leave()[0] == 0
    rows = json.loads(ael("executions", "list", "--limit", "1000", "--json").stdout)
    assert {row["status"] for row in rows} <= {"completed", "cancelled"}
    assert rows
