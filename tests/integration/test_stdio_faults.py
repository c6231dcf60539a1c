"""What is wrong on the way in over standard streams costs the line that is wrong and no other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CROWD = Path(__file__).parent / "servers/crowd.py"

HOLD = """
name: hold
version: "1.0"
steps:
  - id: wait
    tool: hold
    timeout: 100
"""


class Pipes:
    """`ael serve` over its standard streams, in the older revision of the protocol."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.number = 0

    def send(self, line: bytes | str | dict[str, Any]) -> None:
        data = json.dumps(line) if isinstance(line, dict) else line
        assert self.process.stdin is not None
        self.process.stdin.write(data.encode() if isinstance(data, str) else data)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def start(self, method: str, **params: Any) -> int:
        self.number += 1
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        return self.number

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Make a request and return its answer; answers to what was wrong before it, and news, are passed over."""
        number = self.start(method, **params)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            assert message["jsonrpc"] == "2.0"
            if message.get("id") == number:
                found: dict[str, Any] = message
                return found
        raise AssertionError("the server has closed its output")

    def end(self) -> tuple[int, str]:
        """Close its input and return its exit code and what it said."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said.decode()


@pytest.fixture
def pipes(configure: Callable[..., None], environment: dict[str, str], tmp_path: Path) -> Iterator[Pipes]:
    log = str(tmp_path / "calls.log")
    server = {"command": sys.executable, "args": [str(CROWD), log], "timeout": 100}
    configure({"hold": HOLD}, mcp={"servers": {"crowd": server}, "tool_names": "safe"}, tools={"builtins": []})
    with subprocess.Popen(
        [sys.executable, "-m", "ael", "serve"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        made = Pipes(process)
        info = {"name": "test", "version": "1"}
        made.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)
        made.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield made
        process.kill()


def test_lines_that_are_no_messages_are_passed_over(pipes: Pipes) -> None:
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


def test_a_large_line_in_and_a_large_line_out_are_whole(pipes: Pipes) -> None:
    found = pipes.ask("tools/call", name="measure", arguments={"data": "x" * 4_000_000})
    assert found["result"]["content"][0]["text"] == "4000000"
    found = pipes.ask("tools/call", name="large", arguments={"size": 10_000_000})
    assert len(found["result"]["content"][0]["text"]) == 10_000_000
    assert pipes.end()[0] == 0


def test_the_end_of_the_input_in_mid_call_cancels_and_ends(pipes: Pipes, ael: Any, tmp_path: Path) -> None:
    number = pipes.start("tools/call", name="workflow_hold", arguments={})
    log = tmp_path / "calls.log"
    while not log.exists():
        assert "result" in pipes.ask("ping")
    assert number
    code, said = pipes.end()
    assert code == 0, said
    assert "Traceback" not in said
    assert log.read_text().split()[0] == "held"
    rows = json.loads(ael("executions", "list", "--json").stdout)
    assert [(row["workflow"], row["status"]) for row in rows] == [("hold", "cancelled")]


def test_half_a_line_at_the_end_of_the_input_is_no_message(pipes: Pipes) -> None:
    assert pipes.process.stdin is not None
    pipes.process.stdin.write(b'{"jsonrpc":"2.0","id":9,"method":"tools/li')
    pipes.process.stdin.flush()
    code, said = pipes.end()
    assert code == 0
    assert "Traceback" not in said


def test_a_closed_output_ends_it_quietly(pipes: Pipes) -> None:
    assert pipes.process.stdout is not None
    pipes.process.stdout.close()
    pipes.start("tools/list")
    assert pipes.process.stderr is not None
    said = pipes.process.stderr.read().decode()
    pipes.process.wait(60)
    assert "Traceback" not in said
