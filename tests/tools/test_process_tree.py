"""What is left of the processes that AEL starts when it is killed: nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ael.tools.process_tree import living

Wait = Callable[[int], Awaitable[None]]
HOSTILE = Path(__file__).parent / "servers" / "hostile.py"
WORKFLOW = "name: w\nversion: '1.0'\nsteps:\n  - {id: a, tool: s__act}\n"

#: Has a program say which process it starts.
TELL = """
import asyncio
start = asyncio.create_subprocess_exec
async def started(*command, **options):
    process = await start(*command, **options)
    print(process.pid, flush=True)
    return process
asyncio.create_subprocess_exec = started
"""
PAGE = """
from native_tools import confined
request = {"operation": "html_fields", "data": b"<div>" * 300_000, "fields": {"a": "div div div b"}, "each": None}
confined.SECONDS = 600
asyncio.run(confined.run(request))
"""
SCHEMA = """
from ael.tools.schemas import Schemas
doubling = {f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(40)}
schema = {"$ref": "#/$defs/d0", "$defs": {**doubling, "d40": {"type": "string"}}}
asyncio.run(Schemas(seconds=600).violations(schema, 1, 20))
"""


#: As process 1 of a container: what its parents left becomes ours.
FIRST = """
import asyncio, ctypes, json, os, sys
from ael.tools import process_tree
from ael.tools.process_tree import living
from ael.tools.servers import McpServer, ServerConfig
process_tree.PATIENCE = 60
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0

async def main():
    server = McpServer("s", ServerConfig(command=sys.executable, args=(sys.argv[1], "runaways")))
    await server.tools()
    told = await server.call("act", {}, timeout_seconds=None, meta={})
    pids = json.loads(told.content[0].text)
    assert {one.number for one in living(0)}.issuperset(pids)
    await server.close()
    print([one.number for one in living(0) if one.number in pids or one.parent == os.getpid()])

asyncio.run(main())
"""


@pytest.mark.parametrize("arguments", [("run", "w.yaml"), ("serve", "-q")])
async def test_nothing_that_a_server_started_outlives_ael_when_it_is_killed(
    tmp_path: Path, environment: dict[str, str], arguments: tuple[str, ...], readable: Wait, gone: Wait
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
        await readable(told)
        pids = json.loads(os.read(told, 1000))
        os.close(told)
        others = [one.number for one in living(0) if one.parent == ael.pid]
        assert others
        ael.kill()
        for pid in (*pids, *others):
            await gone(pid)


@pytest.mark.parametrize("program", [PAGE, SCHEMA])
async def test_work_in_a_process_of_its_own_ends_with_whoever_asked_for_it(program: str, gone: Wait) -> None:
    with subprocess.Popen([sys.executable, "-c", TELL + program], stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        working = int(asking.stdout.readline())
        assert working in [one.number for one in living(0) if one.parent == asking.pid]
        asking.kill()
        await gone(working)


def test_who_is_process_one_is_left_with_no_children_that_have_ended() -> None:
    ended = subprocess.run([sys.executable, "-c", FIRST, str(HOSTILE)], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
