"""The server of native tools as a process, called through AEL's own client and gateway."""

from __future__ import annotations

import os
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ael.errors import AelError
from ael.tools import CallContext
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import Gateway
from ael.tools.servers import McpServer, ServerConfig
from native_tools.environment import Environment
from native_tools.server import NativeTools
from native_tools.tool import ToolError

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = tmp_path / "workspace"
    made.mkdir()
    return made


@pytest.fixture
async def native(workspace: Path) -> AsyncIterator[Callable[..., Call]]:
    """Return what starts a server with some environment, and calls its tools."""
    catalogs: list[ToolCatalog] = []

    def make(arguments: tuple[str, ...] = ("-m", "native_tools"), **variables: str) -> Call:
        config = ServerConfig(
            command=sys.executable,
            args=arguments,
            env={"WORKSPACE_DIR": str(workspace), "PATH": os.environ["PATH"], **variables},
            timeout=60,
            startup_timeout=60,
        )
        catalog = ToolCatalog([McpServer("native_tools", config)], {"native_tools": config})
        catalogs.append(catalog)
        gateway = Gateway(catalog)

        async def record(report: object) -> None:
            pass

        async def call(tool: str, /, **params: Any) -> Any:
            context = CallContext(scope=("*",), record=record, key="exec-1/step", resolved={})
            return await gateway.call(f"native_tools__{tool}", params, context)

        return call

    yield make
    for catalog in catalogs:
        await catalog.close()


@pytest.fixture
def call(native: Callable[..., Call]) -> Call:
    """Call a tool of a server with a workspace and nothing else set."""
    return native()


@pytest.fixture
def tools(workspace: Path) -> Call:
    """Call a tool without a process: for what is tried in great numbers."""
    return calls(NativeTools(Environment(workspace=workspace)))


def calls(made: NativeTools) -> Call:
    """Return what calls tools as the server does, parameters checked."""

    async def call(tool: str, /, **params: Any) -> Any:
        return await made.call(tool, params)

    return call


async def refused(call: Call, tool: str, **params: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await call(tool, **params)
    return caught.value.message


async def failing(call: Call, tool: str, **params: Any) -> AelError:
    with pytest.raises(AelError) as caught:
        await call(tool, **params)
    return caught.value


@pytest.fixture
def peak_memory() -> Callable[[int], AbstractContextManager[None]]:
    """Return what fails when more bytes than given are held at once."""

    @contextmanager
    def below(most: int) -> Iterator[None]:
        tracemalloc.start()
        try:
            yield
            assert tracemalloc.get_traced_memory()[1] < most
        finally:
            tracemalloc.stop()

    return below
