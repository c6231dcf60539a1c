"""What `ael serve` offers, put together: started, followed while files and servers change, and stopped."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Literal, Self

from ael.app.application import App
from ael.app.serving.authoring import Authoring
from ael.app.serving.code import CodeTool
from ael.app.serving.resources import Resources
from ael.app.serving.runs import Runs
from ael.app.serving.served import Provider
from ael.app.serving.toolbox import Toolbox
from ael.app.serving.upstream import UpstreamTools
from ael.app.serving.workflows import WorkflowTools

_log = logging.getLogger("ael.serving")

Transport = Literal["stdio", "http"]
Mode = Literal["configuration", "running"]


class Serving:
    """One installation as agents see it; an async context manager."""

    def __init__(self, app: App, transport: Transport, *, watch: bool = True, mode: Mode = "running") -> None:
        """Take the application; `watch` follows its workflow files."""
        self.app = app
        self.mode = mode
        self.runs = Runs(app.settings.file.execution.on_disconnect)
        self.workflows = WorkflowTools(app, self.runs)
        self.upstream = UpstreamTools(app, self.runs)
        self.resources = Resources(app, self.workflows)
        self._watch = watch
        providers: list[Provider] = []
        if mode == "running":
            providers += [self.workflows, self.upstream]
            # Anybody on this machine can reach a port, and code is more than a workflow that somebody wrote.
            if offers_code(app) and transport == "stdio":
                providers.append(CodeTool(app, self.runs, self.upstream))
            # Whoever writes a workflow runs code and calls tools by it.
            if app.settings.file.mcp.authoring and transport == "stdio":
                providers.append(Authoring(app, self.runs, self.workflows))
        self.toolbox = Toolbox(providers)
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self.mode == "configuration":
            return self
        self.upstream.start()
        self._following = asyncio.get_running_loop().create_task(self._follow(), name="workflow files")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self.runs.stop()
        await self.upstream.stop()

    async def _follow(self) -> None:
        try:
            await self.workflows.load()
            if self._watch:
                await self.workflows.watch()
        except Exception:  # a defect: what is offered stays as it is
            _log.exception("the workflow files are followed no more")
            raise


def offers_code(app: App) -> bool:
    """Return whether the configuration lets agents run code."""
    return "python_exec" in app.settings.file.tools.builtins
