"""Network tools as steps of workflows, by `ael run` as a process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ael.journal.events import StepRetried
from ael.journal.sqlite import SqliteJournal
from tests.native_tools.sites import Asked, answer, site

Run = Callable[..., Awaitable[tuple[int, Any, str]]]


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Run:
    """Run a step with the native tools; return the exit code, what it gave and what it said."""

    async def go(step: str, allowed: str = "[127.0.0.1]") -> tuple[int, Any, str]:
        (tmp_path / "ael-config.yaml").write_text(f"tools: {{native: true}}\nsecurity: {{allowed_hosts: {allowed}}}\n")
        text = f'name: net\nversion: "1.0"\nsteps:\n  - id: one\n{step}\noutputs:\n  - found: {{from_path: steps.one.output}}\n'
        (tmp_path / "net.yaml").write_text(text)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AEL_", "XDG_"))}
        kept |= {"HOME": str(home), "HTTP_PROXY": "http://127.0.0.1:1"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ael", "run", "net.yaml", "--json"),
            cwd=tmp_path,
            env=kept,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, json.loads(out), err.decode()

    return go


def request(url: str, more: str = "") -> str:
    return f"    tool: http_request\n    params: {{url: '{url}'{more}}}"


async def test_a_busy_server_is_asked_again_and_a_missing_page_is_not(run) -> None:
    times = 0

    async def busy(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal times
        times += 1
        writer.write(answer("busy", 503) if times < 3 else answer('{"n": 1}', content_type="application/json"))
        await writer.drain()

    retry = "\n    on_error: retry\n    retry: {max_attempts: 4, initial_delay: 0}"
    async with site({"/busy": busy}) as web:
        code, made, said = await run(request(web.url("/busy")) + retry)
        assert (code, times) == (0, 3), said
        assert made["outputs"]["found"]["json"] == {"n": 1}
        code, made, _ = await run(request(web.url("/gone")) + retry)
        assert code == 1
        assert made["error"]["code"] == "TOOL_FAILED"
        assert "answered with HTTP status 404: nothing here" in made["error"]["detail"]
        assert len(web.asked) == 4


async def test_a_server_that_asks_to_wait_is_given_its_time_up_to_the_longest_delay(run, tmp_path: Path) -> None:
    times = 0

    async def busy(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal times
        times += 1
        writer.write(answer("busy", 429, retry_after="1" if times == 1 else "3600") if times < 3 else answer("done"))
        await writer.drain()

    retry = "\n    retry: {max_attempts: 4, initial_delay: 0, max_delay: 1.5}"
    async with site({"/busy": busy}) as web:
        code, made, said = await run(request(web.url("/busy")) + retry)
    assert (code, times) == (0, 3), said
    journal = SqliteJournal(tmp_path / ".ael" / "ael.db")
    try:
        _, events = await journal.read(made["execution_id"])
    finally:
        await journal.close()
    retried = [event for event in events if isinstance(event, StepRetried)]
    assert [(one.error.retry_after, one.delay_seconds) for one in retried] == [(1.0, 1.0), (3600.0, 1.5)]
    assert retried[1].error.suggestion == "Wait 3600 s before the next try, as the server asks."


async def test_a_private_address_is_refused_once_and_says_what_to_add(run) -> None:
    async with site({"/": answer("inside")}) as web:
        code, made, _ = await run(request(web.url()), allowed="[]")
        assert code == 1
        assert "add 127.0.0.1 to security.allowed_hosts" in made["error"]["detail"]
        code, made, _ = await run(request(web.url(host="localhost")), allowed=f"['localhost:{web.port}']")
        assert (code, made["outputs"]["found"]["body"]) == (0, "inside")
        assert web.connections == 1


async def test_a_tool_without_its_service_says_so_by_either_name(run) -> None:
    for name in ("ml_embed_text", "native_tools__ml_embed_text"):
        code, made, _ = await run(f"    tool: {name}\n    params: {{text: a}}")
        assert (code, made["error"]["code"]) == (1, "TOOL_UNAVAILABLE")
        assert "server 'native_tools' lists it, but: set OLLAMA_HOST" in made["error"]["detail"]
