"""`ael serve` against the SDK's bare low-level server, side by side: start, calls, long lists. Called by `run.py`."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx2

from ael.tools.client import McpClient
from ael.tools.keeper import Keeper
from ael.tools.stderr import LastLines
from ael.tools.stdio import ProcessPeer

BARE = str(Path(__file__).parent / "bare_server.py")
QUICK = """
name: {name}
version: 1.0
description: Does nothing, as the tool that it is compared with.
inputs: {{who: {{type: string, default: you}}, count: {{type: integer, default: 3, minimum: 1}}}}
steps:
  - {{id: pause, wait: {{seconds: 0}}}}
output: 1
"""
TOOL = "workflow:quick"

#: Makes one call.
Call = Callable[[], Awaitable[None]]


class Row(Protocol):
    """Prints one figure beside its target."""

    def __call__(self, what: str, figure: str, target: str, *, met: bool | None = None) -> None:
        """See `run.row`."""
        ...


class Project:
    """A directory with so many workflows, and a home of its own."""

    def __init__(self, count: int) -> None:
        self.root = Path(tempfile.mkdtemp())
        (self.root / "ael-config.yaml").write_text("tools: {builtins: []}\nexecution: {max_concurrent: 100}\n")
        (self.root / "workflows").mkdir()
        (self.root / "workflows/quick.yaml").write_text(QUICK.format(name="quick"))
        for number in range(count - 1):
            (self.root / f"workflows/w{number}.yaml").write_text(QUICK.format(name=f"w{number}"))
        self.environment = {"HOME": str(self.root), "PATH": os.environ["PATH"]}

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "ael", "serve", "-q"]

    async def start(self, command: list[str]) -> McpClient:
        """Start a server; return a client that has its first answer."""
        peer = await ProcessPeer.spawn(
            command,
            env=self.environment,
            cwd=str(self.root),
            max_message=2**26,
            on_notification=lambda *_: None,
            last_lines=LastLines(),
            keeper=Keeper(),
        )
        return await McpClient.open(peer, 120)


def median_ms(times: list[float]) -> float:
    return statistics.median(times) * 1000


async def starts(row: Row, rounds: int) -> None:
    """Time from the start of the process to its first answer."""
    project = Project(5)
    await (await project.start(project.command)).close()
    commands = {"bare": [sys.executable, BARE, "stdio"], "ours": project.command}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            begun = time.perf_counter()
            client = await project.start(command)
            times[name].append(time.perf_counter() - begun)
            await client.close()
    ratio = median_ms(times["ours"]) / median_ms(times["bare"])
    figure = f"{ratio:.2f} x ({median_ms(times['ours']):.0f} ms)"
    row("serve: cold start to the first answer", figure, "<= 1.3 x the SDK's bare server", met=ratio <= 1.3)
    shutil.rmtree(project.root)


async def batch(call: Call, at_once: int, count: int) -> list[float]:
    """Return the seconds of calls: of each one where they come one by one, else of a call on average."""
    if at_once == 1:
        return [await timed(call) for _ in range(count)]
    left = count

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return [(time.perf_counter() - begun) / count]


async def timed(call: Call) -> float:
    begun = time.perf_counter()
    await call()
    return time.perf_counter() - begun


async def compare(row: Row, words: str, ours: Call, bare: Call, *, quick: bool) -> None:
    for at_once in (1, 10, 100):
        count = max(at_once * 2, 100 if quick else 300)
        times: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(3 if quick else 7):
            times["bare"] += await batch(bare, at_once, count)
            times["ours"] += await batch(ours, at_once, count)
        ratio = median_ms(times["ours"]) / median_ms(times["bare"])
        figure = f"{ratio:.2f} x ({median_ms(times['ours']):.2f} ms)"
        row(f"serve: a workflow called, {words}, {at_once} at once", figure, "<= 1.5 x a bare tool", met=ratio <= 1.5)


async def over_stdio(row: Row, *, quick: bool) -> None:
    """Calls over pipes, in the modern era."""
    project = Project(5)
    ours = await project.start(project.command)
    bare = await project.start([sys.executable, BARE, "stdio"])

    def calls(client: McpClient, tool: str) -> Call:
        async def call() -> None:
            result = await client.call_tool(tool, {}, timeout_seconds=60, meta={})
            assert not result.is_error, result.raw

        return call

    await compare(row, "stdio", calls(ours, TOOL), calls(bare, "nothing"), quick=quick)
    await ours.close()
    await bare.close()
    shutil.rmtree(project.root)


@asynccontextmanager
async def listening(command: list[str], project: Project, port: int) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=project.root, env=project.environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        await process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


async def over_http(row: Row, *, quick: bool) -> None:
    """Calls over streamable HTTP, in the modern era."""
    project = Project(5)
    our_port, bare_port = free_port(), free_port()
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)

    def calls(client: httpx2.AsyncClient, url: str, tool: str) -> Call:
        prefix = "io.modelcontextprotocol/"
        meta = {f"{prefix}protocolVersion": "2026-07-28", f"{prefix}clientCapabilities": {}}
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        params: dict[str, Any] = {"name": tool, "arguments": {}, "_meta": meta}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}

        async def call() -> None:
            answer = await client.post(url, json=body, headers=headers)
            assert answer.status_code == 200, answer.text

        return call

    command = [*project.command, "--transport", "http", "--port", str(our_port)]
    async with (
        listening(command, project, our_port) as ours,
        listening([sys.executable, BARE, str(bare_port)], project, bare_port) as bare,
        httpx2.AsyncClient(limits=limits, timeout=60) as client,
    ):
        await compare(row, "HTTP", calls(client, ours, TOOL), calls(client, bare, "nothing"), quick=quick)
    shutil.rmtree(project.root)


async def long_list(row: Row) -> None:
    """A thousand workflows: their first start, the next, their list."""
    project = Project(1000)
    for words in ("the first time", "plans remembered"):
        begun = time.perf_counter()
        client = await project.start(project.command)
        answered = time.perf_counter() - begun
        tools = await client.list_tools(120)
        assert len(tools) == 1000
        listed = time.perf_counter() - begun
        row(f"serve: 1,000 workflows, {words}: first answer, list", f"{answered:.2f}, {listed:.2f} s", "")
        times = []
        for _ in range(10):
            begun = time.perf_counter()
            await client.list_tools(120)
            times.append(time.perf_counter() - begun)
        await client.close()
    row("serve: tools/list of 1,000 workflows", f"{median_ms(times):.1f} ms", "")
    shutil.rmtree(project.root)


async def serving(row: Row, *, quick: bool) -> None:
    """Print every figure."""
    await starts(row, 3 if quick else 9)
    await over_stdio(row, quick=quick)
    await over_http(row, quick=quick)
    await long_list(row)


if __name__ == "__main__":
    from run import row as _row

    asyncio.run(serving(_row, quick="--quick" in sys.argv))
