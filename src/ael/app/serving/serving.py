"""What `ael serve` offers, put together: started, followed while files and servers change, and stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from ael.app.application import App
from ael.app.serving.authoring import Authoring
from ael.app.serving.code import CodeTool
from ael.app.serving.configuring import ConfigTools, refuse_over_http
from ael.app.serving.resources import Resources
from ael.app.serving.runs import Runs
from ael.app.serving.served import Provider
from ael.app.serving.toolbox import Toolbox
from ael.app.serving.upstream import UpstreamTools
from ael.app.serving.workflows import WorkflowTools
from ael.app.settings import Settings, load_settings
from ael.engine.engine import packages_of
from ael.errors import AelError
from ael.tools import ToolRef

_log = logging.getLogger("ael.serving")

Transport = Literal["stdio", "http"]
Mode = Literal["configuration", "running"]


class Serving:
    """One installation as agents see it; an async context manager."""

    def __init__(
        self,
        app: App,
        transport: Transport,
        *,
        watch: bool = True,
        mode: Mode = "running",
        named: str | None = None,
        on_running: Callable[[Settings], None] | None = None,
    ) -> None:
        """Take the application; `watch` lets it follow its workflow files.

        `named` is the configuration file that was named, for configuration mode; `on_running` is told when that mode
        has ended. Raises `ConfigInvalid` for configuration mode at a port.
        """
        self._transport: Transport = transport
        self._may_watch = watch
        self._on_running = on_running
        self._following: asyncio.Task[None] | None = None
        #: The application that configuration mode has opened.
        self._opened: App | None = None
        self._config: ConfigTools | None = None
        if mode == "configuration" and transport == "http":
            raise refuse_over_http()
        if transport == "stdio" and (mode == "configuration" or app.settings.file.mcp.config_tools):
            self._config = ConfigTools(named, self._switch)
        self.mode: Mode = mode
        self._take(app)
        self.toolbox = Toolbox(self._providers(), lambda: self.app.masked_errors())  # noqa: PLW0108 # `app` changes

    def _take(self, app: App) -> None:
        self.app = app
        self.runs = Runs(app.settings.file.execution.on_disconnect)
        self.workflows = WorkflowTools(app, self.runs)
        self.upstream = UpstreamTools(app, self.runs)
        self.resources = Resources(app, self.workflows)
        if self.mode == "configuration":
            self.workflows.have_none()

    def _providers(self) -> list[Provider]:
        if self.mode == "configuration":
            return [] if self._config is None else [self._config]
        app = self.app
        providers: list[Provider] = [self.workflows, self.upstream]
        # Anybody on this machine can reach a port, and code is more than a workflow that somebody wrote.
        if offers_code(app) and self._transport == "stdio":
            providers.append(CodeTool(app, self.runs, self.upstream, self._servers_tools))
        # Whoever writes a workflow runs code and calls tools by it.
        if app.settings.file.mcp.authoring and self._transport == "stdio":
            providers.append(Authoring(app, self.runs, self.workflows))
        if self._config is not None and app.settings.file.mcp.config_tools:
            providers.append(self._config)
        return providers

    def _servers_tools(self) -> dict[str, ToolRef]:
        return self.toolbox.upstream()

    async def __aenter__(self) -> Self:
        if self.mode == "running":
            self._start()
        return self

    def _start(self) -> None:
        self.upstream.start()
        self._following = asyncio.get_running_loop().create_task(self._follow(), name="workflow files")

    async def _switch(self, path: Path) -> str:
        """End configuration mode: offer what the file says, to the same client; return why that has to wait."""
        if self.mode == "running":
            return "AEL runs already, with what it read when it was started: start it again to use this."
        self._opened = App.open(load_settings(str(path)))
        self.mode = "running"
        self._take(self._opened)
        self._start()
        if self._on_running is not None:
            self._on_running(self.app.settings)
        await self.workflows.ready()
        self.toolbox.replace(self._providers())
        return ""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self.runs.stop()
        await self.upstream.stop()
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, trace)

    async def _follow(self) -> None:
        try:
            await self.workflows.load()
            await self._warm_up()
            if self._may_watch and self.app.settings.file.workflows.hot_reload:
                await self.workflows.watch()
        except Exception:  # a defect: what is offered stays as it is
            _log.exception("the workflow files are followed no more")
            raise

    async def _warm_up(self) -> None:
        """Have the sandbox ready before the first call: its start takes longer than most calls."""
        allowed = self.app.settings.file.python_exec.allowed_imports
        for packages in {packages_of(workflow, allowed): None for workflow in self.workflows.with_code()}:
            try:
                await self.app.parts.sandbox.check(packages, [])
            except AelError as error:
                _log.warning("%s", error)


def offers_code(app: App) -> bool:
    """Return whether the configuration lets agents run code."""
    return "python_exec" in app.settings.file.tools.builtins
