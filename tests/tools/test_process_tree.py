"""What is left of the processes that AEL starts when it is killed: nothing."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from ael.tools.process_tree import living

HOSTILE = Path(__file__).parent / "servers" / "hostile.py"
WORKFLOW = "name: w\nversion: '1.0'\nsteps:\n  - {id: a, tool: s__act}\n"

PAGE = """
import asyncio
from native_tools import confined
request = {"operation": "html_fields", "data": b"<div>" * 300_000, "fields": {"a": "div div div b"}, "each": None}
confined.SECONDS = 600
asyncio.run(confined.run(request))
"""
SCHEMA = """
import asyncio
from ael.tools.schemas import Schemas
doubling = {f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(40)}
schema = {"$ref": "#/$defs/d0", "$defs": {**doubling, "d40": {"type": "string"}}}
asyncio.run(Schemas(seconds=600).violations(schema, 1, 20))
"""


async def ready(descriptor: int) -> None:
    """Wait until there is something to read."""
    found, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], 60)
    assert found


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await ready(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("arguments", [("run", "w.yaml"), ("serve", "-q")])
async def test_nothing_that_a_server_started_outlives_ael_when_it_is_killed(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    # A server that ignores the end of its input and SIGTERM, behind two shells as npx has them.
    tell = tmp_path / "tell"
    os.mkfifo(tell)
    told = os.open(tell, os.O_RDWR)
    inner = f"'{sys.executable}' '{HOSTILE}' stays"
    server = {"command": "sh", "args": ["-c", f'sh -c "{inner}; true"; true'], "env": {"TELL": str(tell)}}
    (tmp_path / "ael-config.yaml").write_text(json.dumps({"mcp": {"servers": {"s": server}}}))
    (tmp_path / "w.yaml").write_text(WORKFLOW)
    with subprocess.Popen(
        [sys.executable, "-m", "ael", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        cwd=tmp_path,
    ) as ael:
        await ready(told)
        pids = json.loads(os.read(told, 1000))
        os.close(told)
        others = [one.number for one in living(0) if one.parent == ael.pid]
        assert others
        ael.kill()
        for pid in (*pids, *others):
            await gone(pid)


@pytest.mark.parametrize("program", [PAGE, SCHEMA])
async def test_work_in_a_process_of_its_own_ends_with_whoever_asked_for_it(program: str) -> None:
    with subprocess.Popen([sys.executable, "-c", program]) as asking:
        while not (working := [one.number for one in living(0) if one.parent == asking.pid]):
            await asyncio.sleep(0.01)
        asking.kill()
        await gone(working[0])
