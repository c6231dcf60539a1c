"""Tools: what a call costs, how servers start and come back, and results of 10 and 100 MB. Called by `run.py`.

The SDK's client is measured beside ours, on the same servers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from language import Row

from ael.errors import ToolFailed
from ael.journal.sqlite import SqliteJournal
from ael.plan import Plan
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import Gateway
from ael.tools.keeper import Keeper
from ael.tools.servers import McpServer, ServerConfig
from ael.tools.stdio import ProcessPeer

HERE = Path(__file__).parent
LOW = HERE.parent / "tests" / "tools" / "servers" / "low.py"

#: Bytes of a large result that may pass.
_CAP = 200_000_000

Call = Callable[[], Awaitable[object]]


class Place(Protocol):
    """An engine over chosen parts (`run.Installation`)."""

    catalog: ToolCatalog
    engine: Any

    async def plan(self, text: str) -> Plan: ...

    async def run(self, plan: Plan) -> None: ...

    async def close(self) -> None: ...


def server(script: str, *arguments: object, **more: Any) -> McpServer:  # noqa: ANN401 # of ServerConfig
    """Return a server of a script beside this one."""
    command = ServerConfig(command=sys.executable, args=(str(HERE / script), *map(str, arguments)), **more)
    return McpServer(Path(script).stem, command)


async def seconds(work: Call) -> float:
    """Return how long some work takes."""
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def each(work: Call, rounds: int) -> tuple[float, float]:
    """Return the median of some calls, and what each costs this process, in milliseconds."""
    (figures,) = await by_turns([work], rounds)
    return figures


async def by_turns(works: list[Call], rounds: int, turns: int = 1) -> list[tuple[float, float]]:
    """Return for each kind of call its median and what one costs this process, in milliseconds.

    They take turns: the machine's speed changes from one moment to the next.
    """
    times: list[list[float]] = [[] for _ in works]
    costs = [0.0 for _ in works]
    for _ in range(turns):
        for number, work in enumerate(works):
            for _ in range(20):
                await work()
            gc.collect()
            begun = time.process_time()
            times[number] += [await seconds(work) for _ in range(rounds // turns)]
            costs[number] += time.process_time() - begun
    return [(statistics.median(one) * 1000, cost / len(one) * 1000) for one, cost in zip(times, costs, strict=True)]


def subjects() -> list[tuple[str, list[str], str, dict[str, object]]]:
    """Return servers as (name, command, tool, arguments): two of our own, then real ones, as far as they are here."""
    scripts = Path(sys.executable).parent
    branch: dict[str, object] = {"repo_path": str(HERE.parent), "branch_type": "local"}
    found: list[tuple[str, list[str], str, dict[str, object]]] = [
        ("null server", [sys.executable, str(HERE / "null_server.py")], "nothing", {}),
        ("SDK's server", [sys.executable, str(LOW)], "add", {"a": 1, "b": 2}),
        ("mcp-server-time", [str(scripts / "mcp-server-time")], "get_current_time", {"timezone": "UTC"}),
        ("mcp-server-git", [str(scripts / "mcp-server-git")], "git_branch", branch),
    ]
    npm = os.environ.get("MCP_NPM_SERVERS")
    if npm:
        program = str(Path(npm) / "node_modules/.bin/mcp-server-everything")
        found.append(("server-everything", [program], "echo", {"message": "hello"}))
    return found


async def against_the_sdk(row: Row, rounds: int) -> None:
    """A call by our client and by the SDK's, on the same servers."""
    from mcp import Client  # noqa: PLC0415 # a second to import
    from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: PLC0415

    for name, command, tool, params in subjects():
        mine = McpServer("s", ServerConfig(command=command[0], args=tuple(command[1:])))
        await mine.tools()
        with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 # a moment, before anything is measured
            theirs = stdio_client(StdioServerParameters(command=command[0], args=command[1:]), errlog=nowhere)
            async with Client(theirs) as client:
                calls: list[Call] = [
                    partial(mine.call, tool, params, timeout_seconds=None, meta={}),
                    partial(client.call_tool, tool, params),
                ]
                ours, sdk = await by_turns(calls, rounds, turns=5)
        await mine.close()
        row(f"call, {name}: p50", f"{ours[0]:.2f} ms, SDK's {sdk[0]:.2f}", "")
        ratio = sdk[1] / ours[1]
        figure = f"{ours[1]:.3f} ms, {ratio:.1f} x less"
        row(f"call, {name}: processor time of the client", figure, ">= 5 x less than the SDK's", met=ratio >= 5)


async def together(row: Row, rounds: int) -> None:
    """Fifty calls at the same time on one server, against one after another."""
    null = server("null_server.py", max_concurrency=50)
    await null.tools()

    async def call() -> object:
        return await null.call("nothing", {}, timeout_seconds=None, meta={})

    async def fifty() -> None:
        await asyncio.gather(*(call() for _ in range(50)))

    alone, _ = await each(call, rounds * 10)
    all_at_once, _ = await each(fifty, rounds)
    row("50 calls at once on one server", f"{all_at_once / 50:.3f} ms a call, alone {alone:.3f}", "")
    await null.close()


async def steps(row: Row, make: Callable[[Any], Place], rounds: int) -> None:
    """A tool step of an execution against a direct call on the same client."""
    with tempfile.TemporaryDirectory() as directory:
        null = server("null_server.py")
        await null.tools()
        place = make(SqliteJournal(Path(directory) / "tools.db", "commit"))
        place.catalog = ToolCatalog([null])
        place.engine._gateway = Gateway(place.catalog)  # the same client on both sides
        count = 50
        plan = await place.plan("steps:\n" + "".join(f"  - {{id: s{i}, tool: nothing}}\n" for i in range(count)))
        await place.run(plan)
        direct: list[float] = []
        whole: list[float] = []
        for _ in range(rounds):
            begun = time.perf_counter()
            for _ in range(count):
                await null.call("nothing", {}, timeout_seconds=None, meta={})
            direct.append((time.perf_counter() - begun) / count * 1000)
            whole.append(await seconds(lambda: place.run(plan)) / count * 1000)
        added = statistics.median(whole) - statistics.median(direct)
        figure = f"{statistics.median(direct):.2f} + {added:.2f} ms"
        row("direct call + what a tool step adds, commit", figure, "<= 0.3 ms added", met=added <= 0.3)
        await null.close()
        await place.close()


async def _many(row: Row, alone: float, rounds: int) -> None:
    """Twenty servers, beside the slowest of twenty that nobody but the kernel looks after."""
    ours, slowest, memory = [], [], []
    for _ in range(rounds):
        slowest.append(max(await asyncio.gather(*(_first_answer() for _ in range(20)))))
        keeper = Keeper()
        many = [McpServer(f"s{i}", server("null_server.py", 0.3).config, keeper=keeper) for i in range(20)]
        catalog = ToolCatalog(many)
        gc.collect()
        before = _resident()
        ours.append(await seconds(catalog.everything))
        memory.append((_resident() - before) / len(many) / 1024)
        await catalog.close()
    taken, bare = statistics.median(ours), statistics.median(slowest)
    figure = f"{taken:.2f} s, {taken / bare:.2f} x; {taken / alone:.1f} x one alone"
    row("20 servers up", figure, "<= 1.5 x the slowest, started bare", met=taken <= 1.5 * bare)
    row("memory of AEL for an idle server", f"{statistics.median(memory):.0f} KiB", "")


async def _first_answer() -> float:
    """Start a server with nothing around it; return the seconds until it answers."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "null_server.py"),
        "0.3",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n')
    await process.stdout.readline()
    taken = time.perf_counter() - begun
    process.stdin.close()
    await process.wait()
    return taken


async def _first_result(one: McpServer, tool: str = "nothing", **params: object) -> float:
    """Start a server for one call; return the seconds until it is answered."""
    begun = time.perf_counter()
    await one.tools()
    result = await one.call(tool, params, timeout_seconds=None, meta={})
    taken = time.perf_counter() - begun
    await one.close()
    assert not result.is_error
    return taken


async def life(row: Row, rounds: int) -> None:
    """Starting, starting many, and coming back."""
    alone = statistics.median([await _first_result(server("null_server.py", 0.3)) for _ in range(rounds)])
    row("spawn to the first result, a server that starts in 0.3 s", f"{alone:.2f} s", "<= 0.5 s", met=alone <= 0.5)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as workspace:
        command = ServerConfig(
            command=sys.executable, args=("-P", "-m", "native_tools"), env={"WORKSPACE_DIR": workspace}
        )
        for _ in range(rounds):
            ours.append(await _first_result(McpServer("native_tools", command), "fs_list", path="."))
            theirs.append(await _first_result(server("bare_server.py", "stdio")))
    native, bare = statistics.median(ours), statistics.median(theirs)
    row(
        "spawn to the first result, native tools", f"{native:.2f} s, {bare / native:.1f} x faster than a bare SDK's", ""
    )
    await _many(row, alone, rounds)
    dying = server("null_server.py", 0.3)
    await dying.tools()
    times = []
    for _ in range(rounds):
        assert dying._client is not None
        peer = dying._client.peer
        assert isinstance(peer, ProcessPeer)
        os.kill(peer.pid, signal.SIGKILL)
        begun = time.perf_counter()
        await peer.gone
        await dying.call("nothing", {}, timeout_seconds=None, meta={})
        times.append(time.perf_counter() - begun)
    row("killed to answering again, a server that starts in 0.3 s", f"{statistics.median(times):.2f} s", "")
    await dying.close()


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Stall:
    """The longest time that the event loop was held up."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.worst = max(self.worst, now - last - 0.001)
            last = now

    def end(self) -> float:
        """Return it, in milliseconds."""
        self._task.cancel()
        return self.worst * 1000


async def large(row: Row, make: Callable[[Any], Place], *, is_quick: bool) -> None:
    """Results of 10 and 100 MB: by the client, by the gateway, and as a whole step with its record."""
    for size in (10_000_000,) if is_quick else (10_000_000, 100_000_000):
        big = server("large_server.py", size, max_result_bytes=_CAP, timeout=120)
        await big.tools()
        for shape in ("text", "rows", "json"):
            with tempfile.TemporaryDirectory() as directory:
                await _large(row, make(SqliteJournal(Path(directory) / "large.db", "commit")), big, shape, size)
        await big.close()
    megabytes = 40 if is_quick else 100
    refusing = server("large_server.py", megabytes * 1_000_000, timeout=120)
    await refusing.tools()

    async def refused() -> None:
        try:
            await refusing.call("text", {}, timeout_seconds=120, meta={})
        except ToolFailed:
            return
        raise AssertionError("it passed")

    row(f"{megabytes} MB refused by the cap of 32 MiB", f"{await seconds(refused):.2f} s", "")
    await refusing.close()


async def _large(row: Row, place: Place, big: McpServer, shape: str, size: int) -> None:
    place.catalog = ToolCatalog([big])
    place.engine._gateway = Gateway(place.catalog)
    plan = await place.plan(f"steps:\n  - {{id: s, tool: {shape}, timeout: 120}}\n")
    is_small = size <= 10_000_000
    for what, work in (
        ("client", lambda: big.call(shape, {}, timeout_seconds=120, meta={})),
        ("tool step", lambda: place.run(plan)),
    ):
        gc.collect()
        stall = Stall()
        await asyncio.sleep(0)
        taken = await seconds(work)
        await asyncio.sleep(0.01)
        worst = stall.end()
        target, met = ("", None)
        if is_small:
            target, met = (
                ("<= 0.3 s, stall <= 50 ms", taken <= 0.3 and worst <= 50)
                if what == "client"
                else (
                    "stall <= 50 ms",
                    worst <= 50,
                )
            )
        elif what == "client" and shape == "text":
            target, met = "about 1 s", taken <= 1.2
        row(f"{size // 1_000_000} MB of {shape}, {what}", f"{taken:.2f} s, stall {worst:.0f} ms", target, met=met)
    await place.close()


async def tools(row: Row, make: Callable[[Any], Place], rounds: int, *, is_quick: bool) -> None:
    """All of it."""

    def named(what: str, figure: str, target: str, *, met: bool | None = None) -> None:
        row(f"tools: {what}", figure, target, met=met)

    await against_the_sdk(named, 50 if is_quick else 2000)
    await together(named, 5 if is_quick else 100)
    await steps(named, make, rounds)
    await life(named, 2 if is_quick else 7)
    await large(named, make, is_quick=is_quick)
