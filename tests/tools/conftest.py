"""Servers of ours that misbehave, behind the gateway."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ael.errors import AelError
from ael.tools import CallContext, ToolCallEnded, ToolCallStarted
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import Gateway
from ael.tools.servers import McpServer, ServerConfig

HOSTILE = str(Path(__file__).parent / "servers" / "hostile.py")


@pytest.fixture
def hostile(tmp_path: Path) -> Callable[..., ServerConfig]:
    """Return how a server is reached that misbehaves in a way; it knows how often it was started."""

    def make(way: str, **more: Any) -> ServerConfig:
        state = {"STATE": str(tmp_path / f"{way}.starts")}
        limits = {"startup_timeout": 60, "timeout": 60, **more}
        return ServerConfig(command=sys.executable, args=(HOSTILE, way), env=state, **limits)

    return make


class Through:
    """Servers behind a gateway, called as a step would."""

    def __init__(self, configs: dict[str, ServerConfig]) -> None:
        self.servers = {name: McpServer(name, config) for name, config in configs.items()}
        self.catalog = ToolCatalog(self.servers.values(), configs)
        self.gateway = Gateway(self.catalog)
        self.recorded: list[ToolCallStarted | ToolCallEnded] = []
        self._more = asyncio.Event()

    async def __call__(self, tool: str, seconds: float | None = None, **params: Any) -> Any:
        async def record(report: ToolCallStarted | ToolCallEnded) -> None:
            self.recorded.append(report)
            self._more.set()

        context = CallContext(
            scope=("*",), record=record, key="exec-1/step", timeout_seconds=seconds, attempt=len(self.recorded) + 1
        )
        return await self.gateway.call(tool, params, context)

    async def error(self, tool: str, seconds: float | None = None, **params: Any) -> AelError:
        with pytest.raises(AelError) as caught:
            await self(tool, seconds, **params)
        return caught.value

    async def until_recorded(self, count: int) -> None:
        """Wait until so many starts and ends of calls are on record; what starts then is sent before we go on."""
        while len(self.recorded) < count:
            self._more.clear()
            await self._more.wait()

    async def until_it_says(self, name: str, line: str) -> None:
        """Wait until the last line on a server's standard error is this one."""
        server, more = self.servers[name], asyncio.Event()
        kept = server._connector.last_lines
        take = kept.take

        def listen(data: bytes) -> None:
            take(data)
            more.set()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kept, "take", listen)
            while server.stderr()[-1:] != [line]:
                more.clear()
                await more.wait()


@pytest.fixture
async def through() -> AsyncIterator[Callable[..., Through]]:
    """Return a maker of gateways over servers; all are stopped in the end."""
    made: list[Through] = []

    def make(**configs: ServerConfig) -> Through:
        made.append(Through(configs))
        return made[-1]

    yield make
    for one in made:
        await one.catalog.close()


@pytest.fixture
def readable() -> Callable[[int], Awaitable[None]]:
    """Return what waits until there is something to read from a descriptor."""

    async def wait(descriptor: int) -> None:
        ready, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(descriptor, ready.set)
        try:
            async with asyncio.timeout(60):
                await ready.wait()
        finally:
            loop.remove_reader(descriptor)

    return wait


@pytest.fixture
def gone(readable: Callable[[int], Awaitable[None]]) -> Callable[[int], Awaitable[None]]:
    """Return what waits until a process has ended, which need not be a child of ours."""

    async def wait(pid: int) -> None:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            await readable(process)
        finally:
            os.close(process)

    return wait
