"""The pool under load, under fire, and for long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ael.errors import AelError
from ael.sandbox.contract import CodeFailure, CodeRequest, CodeSource, PackageSet
from ael.sandbox.pool import KernelSandbox

STANDARD = PackageSet()
ROOT = Path(__file__).parents[2]


async def echo(name: str, params: object) -> str:
    return name


async def blob_of(sandbox: KernelSandbox, code: str) -> bytes:
    (facts,) = await sandbox.check(STANDARD, [CodeSource(step_id="s", source=code)])
    assert not facts.problems, facts.problems
    return facts.blob


async def run(sandbox: KernelSandbox, blob: bytes) -> object:
    async with sandbox.session("e", STANDARD) as session:
        return (await session.run(CodeRequest(blob=blob), echo)).result


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    # Processes come and go while we look.
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


async def test_every_execution_ends_while_processes_are_killed_at_random() -> None:
    sandbox = KernelSandbox()
    blob = await blob_of(sandbox, "return [call_tool('t'), sum(range(20_000))][1]")
    chance = random.Random(5)
    left = 300
    taken = asyncio.Event()

    async def executions() -> list[str]:
        nonlocal left
        ends = []
        while left > 0:
            left -= 1
            taken.set()
            try:
                assert await run(sandbox, blob) == 199990000
                ends.append("result")
            except CodeFailure as failure:
                assert isinstance(failure.error, AelError)
                ends.append(failure.error.code)
            except AelError as error:
                ends.append(error.code)
        return ends

    async def killer() -> None:
        while left > 0:
            before = left
            victims = descendants(os.getpid())
            if victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(victims), signal.SIGKILL)
            while left > max(0, before - 8):
                taken.clear()
                await taken.wait()

    *ends, _ = await asyncio.gather(*(executions() for _ in range(8)), killer())
    told = [end for part in ends if part for end in part]
    assert len(told) == 300
    assert set(told) <= {"result", "CODE_CRASHED", "SANDBOX_UNAVAILABLE"}
    assert told.count("result") > 100
    # And it is as it was.
    assert [await run(sandbox, blob) for _ in range(10)] == [199990000] * 10
    await sandbox.close()
    assert not descendants(os.getpid())


@pytest.mark.slow
async def test_nothing_leaks_over_twenty_thousand_executions() -> None:
    sandbox = KernelSandbox()
    blob = await blob_of(sandbox, "return 1")

    async def some(count: int) -> None:
        async def worker() -> None:
            for _ in range(count // 10):
                assert await run(sandbox, blob) == 1

        await asyncio.gather(*(worker() for _ in range(10)))

    def use() -> tuple[int, int, int]:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        return len(os.listdir("/proc/self/fd")), len(descendants(os.getpid())), resident

    await some(1000)
    descriptors, processes, resident = use()
    await some(19_000)
    later = use()
    assert abs(later[0] - descriptors) <= 8  # spares come and go
    assert abs(later[1] - processes) <= 8
    assert later[2] - resident < 32 << 20
    await sandbox.close()
    assert not descendants(os.getpid())


def test_event_loops_of_several_threads_have_a_pool_each() -> None:
    async def main() -> object:
        sandbox = KernelSandbox()
        blob = await blob_of(sandbox, "return 2 ** 10")
        try:
            return [await run(sandbox, blob) for _ in range(5)]
        finally:
            await sandbox.close()

    with ThreadPoolExecutor(4) as threads:
        assert [done.result() for done in [threads.submit(asyncio.run, main()) for _ in range(4)]] == [[1024] * 5] * 4


REPEATED = """
name: repeated
version: 1
steps:
  - id: chance
    code: |
      import random, uuid, time, datetime
      class Plain: pass
      made = {Plain(): number for number in range(50)}
      return {
          "order of a set": [made[one] for one in set(made)],
          "order of names": list({"b", "a", "c", "é"}),
          "random": [random.random(), random.Random().random(), random.sample(range(100), 5)],
          "uuid": [str(uuid.uuid4()), uuid.getnode()],
          "hash": [hash("x"), hash((1, "y"))],
          "clock stands": time.time() == time.time() and datetime.datetime.now() == datetime.datetime.now(),
      }
  - {id: left, depends_on: chance, code: "import random\\nreturn random.random()"}
  - {id: right, depends_on: chance, code: "import random\\nreturn random.random()"}
  - id: items
    foreach: "[1, 2, 3, 4]"
    max_parallel: 4
    code: "import random\\nreturn [item, random.random()]"
outputs:
  - {name: chance, from_path: steps.chance.output}
  - {name: left, from_path: steps.left.output}
  - {name: right, from_path: steps.right.output}
  - {name: items, from_path: steps.items.output}
"""


@pytest.mark.parametrize("times", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_an_execution_repeats_in_processes_of_its_own(environment, tmp_path: Path, times: int) -> None:
    (tmp_path / "w.yaml").write_text(REPEATED)
    command = [sys.executable, "-m", "ael", "run", "w.yaml", "--seed", "11"]

    def once(_: int) -> str:
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with ThreadPoolExecutor(2) as threads:
        told = set(threads.map(once, range(times)))
    assert len(told) == 1
    assert json.loads(told.pop())["chance"]["clock stands"] is True
