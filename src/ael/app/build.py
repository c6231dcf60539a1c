"""The only namer of concrete back ends: settings → the parts of an application."""

from __future__ import annotations

from pathlib import Path

from ael.app.config_file import step_timeout
from ael.app.definitions import Definitions
from ael.app.origins import last_seen, tool_pins
from ael.app.plan_cache import PlanCache
from ael.app.settings import Settings
from ael.engine.engine import Engine, EngineOptions
from ael.journal import Journal
from ael.journal.memory import MemoryJournal
from ael.journal.sqlite import SqliteJournal
from ael.plan import Plan
from ael.sandbox.contract import PackageSet
from ael.sandbox.pool import KernelSandbox
from ael.sandbox.spawn import ZygoteProcess
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import Gateway
from ael.tools.keeper import Keeper
from ael.tools.servers import McpServer

#: Seconds of a whole execution where nothing says otherwise.
_DEFAULT_TIMEOUT = 300.0


class Parts:
    """The assembled parts; each is made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.options = engine_options(settings)
        code = settings.file.python_exec
        self.sandbox = KernelSandbox(max_workers=code.max_workers, isolation=code.isolation)
        cache = PlanCache(None if settings.state is None else settings.state / "plans")
        self.definitions = Definitions(settings.directories, self.sandbox, cache, code.allowed_imports)
        #: Of calls from outside of a workflow: (tool, names of its parameters, its time limit) → plan.
        self.call_plans: dict[tuple[str, tuple[str, ...], float | None], Plan] = {}
        self._journal: Journal | None = None
        self._engine: Engine | None = None
        self._catalog: ToolCatalog | None = None
        #: Tools as they were accepted; None without a configuration.
        self.pins = tool_pins(settings)

    def adopt(self, process: ZygoteProcess) -> None:
        """Use a sandbox process that was started early."""
        self.sandbox.adopt(PackageSet(), process)

    def journal(self) -> Journal:
        """Return the journal."""
        if self._journal is None:
            durability = self.settings.file.execution.durability
            path = self.settings.journal
            if durability == "off" or path is None:
                self._journal = MemoryJournal()
            else:
                self._journal = SqliteJournal(Path(path), durability)
        return self._journal

    def catalog(self) -> ToolCatalog:
        """Return the tools of all configured servers."""
        if self._catalog is None:
            refused = self.settings.servers_refused
            configs = {} if refused else self.settings.servers
            timeout = step_timeout(self.settings.file.execution)
            keeper = Keeper()
            servers = [McpServer(name, config, timeout, keeper) for name, config in configs.items()]
            self._catalog = ToolCatalog(servers, configs, note=refused, last_seen=last_seen(self.settings, self.pins))
        return self._catalog

    def engine(self) -> Engine:
        """Return the engine."""
        if self._engine is None:
            self._engine = Engine(
                journal=self.journal(),
                gateway=Gateway(self.catalog(), self.pins),
                sandbox=self.sandbox,
                resolve=self.definitions.registered,
                options=self.options,
            )
        return self._engine

    async def close(self) -> None:
        """Stop servers and children, then let the journal write what is left."""
        if self._catalog is not None:
            await self._catalog.close()
        await self.sandbox.close()
        if self._journal is not None:
            await self._journal.close()


def build(settings: Settings) -> Parts:
    """Assemble an application; starts and opens nothing."""
    return Parts(settings)


def engine_options(settings: Settings) -> EngineOptions:
    """Return what the engine is told."""
    execution = settings.file.execution
    return EngineOptions(
        max_concurrent=execution.max_concurrent,
        queue_limit=execution.queue_limit,
        max_parallel_steps=execution.max_parallel_steps if execution.parallel else 1,
        default_timeout=execution.default_timeout or _DEFAULT_TIMEOUT,
        max_steps=execution.max_steps,
        max_output=execution.max_output,
        retry=execution.retry,
        limits=settings.limits,
        clock=settings.file.python_exec.clock,
        allowed_imports=settings.file.python_exec.allowed_imports,
        template_env=settings.template_env,
    )
