"""The tools of servers, offered to agents under their catalog names; results and errors pass through unchanged."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial

import msgspec

from ael.app.application import App
from ael.app.native_tools import NATIVE
from ael.app.serving.names import safe_name
from ael.app.serving.runs import Runs
from ael.app.serving.served import Answer, Caller, OnProgress, ServedTool
from ael.app.tools import call_tool
from ael.engine.engine import new_execution_id
from ael.errors import AelError, ConfigInvalid
from ael.observe.masking import MASK, Masker
from ael.tools import Refusal, ToolInfo
from ael.tools.pins import ToolPins
from ael.tools.servers import McpServer
from ael.values import JSONValue

_log = logging.getLogger("ael.tool")

#: What stands for a secret in a tool's name.
_HIDDEN = "hidden"

#: Seconds that the first list waits for servers that are slow to start; they join it later.
_PATIENCE = 5.0

#: Tools that cannot be used: those that are named in one line of the log, and those that are told of at all.
_NAMED, _MOST_TOLD = 5, 1000


class UpstreamTools:
    """Offers the tools of the connected servers; implements `Provider`."""

    def __init__(self, app: App, runs: Runs) -> None:
        self._app = app
        self._runs = runs
        self._catalog = app.parts.catalog()
        self._exposed = app.settings.file.mcp.expose_tools
        self._masker = Masker(app.settings.secrets)
        self._pins = app.parts.pins
        #: Of the lock file that the list was made by.
        self._stamp: object = None
        self._offered: dict[str, list[ToolInfo]] = {}
        self._tools: tuple[ServedTool, ...] = ()
        self._listing: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._all_in = asyncio.Event()
        self._waiting: set[str] = set()
        #: What was told of servers' unusable tools, and of those that changed.
        self._told_broken: set[tuple[str, str, str]] = set()
        self._told_changed: set[str] = set()
        self._listeners: list[Callable[[], None]] = []
        self._end: Callable[[], None] | None = None

    # -- the Protocol -------------------------------------------------------------------------------------------

    def tools(self) -> Sequence[ServedTool]:
        """See `Provider.tools`: by server, then by name; those that differ from what was accepted are left out."""
        if self._pins is not None and self._stamp_now(self._pins) != self._stamp:
            self._arrange()
        return self._tools

    def find(self, name: str) -> ServedTool | None:
        """See `Provider.find`: `server__tool` also where the bare name is listed."""
        server, separator, tool = name.partition("__")
        if not separator:
            return None
        prefix = self._prefix(server)
        for info in self._offered.get(server, ()):
            if tool in {info.ref.name, prefix + info.ref.name} and self._is_exposed(info, name):
                return self._tool(name, info)
        return None

    def missing(self) -> str:
        """See `Provider.missing`: the tools of servers that have not answered yet."""
        names = ", ".join(sorted(self._waiting))
        return f"Tools of {names} are not listed yet, which still starts: try again in a moment." if names else ""

    async def ready(self) -> None:
        """See `Provider.ready`: when every server has answered or failed, or was waited for long enough."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._all_in.wait()
        except TimeoutError:
            # Others may have waited as long, and said so.
            if not self._all_in.is_set():
                _log.warning("still starting: %s", ", ".join(sorted(self._waiting)))
            self._all_in.set()

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """See `Provider.subscribe`."""
        self._listeners.append(on_change)

    # -- servers ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all enabled servers at once; what each offers appears when it is ready."""
        enabled = [name for name in self._catalog.sources if self._app.settings.servers[name].enabled]
        self._waiting = set(enabled)
        self._end = self._catalog.subscribe(self._changed)
        for name in enabled:
            self._list(name)
        if not enabled:
            self._all_in.set()

    async def stop(self) -> None:
        """End what still asks servers for their tools; the servers themselves are the application's."""
        if self._end is not None:
            self._end()
        for task in self._listing.values():
            task.cancel()
        await asyncio.gather(*self._listing.values(), return_exceptions=True)

    def _changed(self, name: str) -> None:
        source = self._catalog.sources[name]
        # To ask one that has failed would start it again, fail, and bring us here again.
        if isinstance(source, McpServer) and source.status != "ready":
            return
        self._list(name)

    def _list(self, name: str) -> None:
        """Ask a server for its tools; once more afterwards if it changes meanwhile."""
        if name in self._listing:
            self._again.add(name)
            return
        task = asyncio.get_running_loop().create_task(self._ask(name), name=f"tools of {name}")
        self._listing[name] = task
        task.add_done_callback(lambda _: self._asked(name))

    def _asked(self, name: str) -> None:
        self._listing.pop(name, None)
        if name in self._again:
            self._again.discard(name)
            self._list(name)

    async def _ask(self, name: str) -> None:
        try:
            offered = await self._catalog.offered(name)
        except AelError as error:
            _log.error("%s", error)
        else:
            if self._offered.get(name) is not offered:
                self._offered[name] = offered
                self._tell_broken(name)
                self._offer()
        finally:
            self._waiting.discard(name)
            if not self._waiting:
                self._all_in.set()

    def _tell_broken(self, name: str) -> None:
        """Say once of each definition that it cannot be used; those of ours say so where they are listed."""
        broken = self._catalog.sources[name].broken
        new = [one for one in broken.items() if (name, *one) not in self._told_broken]
        # A server may list others all the time.
        if name == NATIVE or not new or len(self._told_broken) > _MOST_TOLD:
            return
        self._told_broken.update((name, *one) for one in new)
        named = "; ".join(f"'{tool}': {why}" for tool, why in new[:_NAMED])
        more = f"; and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        text = f"server '{name}': {len(new)} of its tools cannot be used: {named}{more}"
        _log.warning("%s (`ael tools list --server %s` shows them)", self._masker.text(text), name)

    def _offer(self) -> None:
        self._arrange()
        for listener in self._listeners:
            listener()

    def _arrange(self) -> None:
        infos = [
            (self._prefix(server) + info.ref.name, info)
            for server in self._catalog.sources
            for info in self._offered.get(server, ())
        ]
        count = Counter(name for name, _ in infos)
        named = [
            (name if count[name] == 1 and not self._reads_as_other(name) else f"{info.ref.server}__{name}", info)
            for name, info in infos
        ]
        order = {server: at for at, server in enumerate(self._catalog.sources)}
        shown = [(name, info) for name, info in named if self._is_exposed(info, name) and self._is_accepted(info)]
        shown.sort(key=lambda one: (order[one[1].ref.server], one[0]))
        self._tools = tuple(self._tool(name, info) for name, info in shown)
        self._stamp = None if self._pins is None else self._stamp_now(self._pins)

    def _stamp_now(self, pins: ToolPins) -> object:
        try:
            return pins.stamp()
        except ConfigInvalid as error:
            return str(error)

    def _is_accepted(self, info: ToolInfo) -> bool:
        """Say whether a tool's words may reach an agent: not those of a pinned tool that has changed."""
        try:
            changed = () if self._pins is None else self._pins.changes(info)
        except ConfigInvalid as error:
            _log.error("%s is not offered: %s", info.ref, error)
            return False
        if changed:
            self._tell_changed(f"{info.ref} is not offered: {', '.join(changed)} changed since it was accepted")
        return not changed

    def _tell_changed(self, text: str) -> None:
        """Say once that a tool has changed: a server may have news all the time."""
        if text not in self._told_changed and len(self._told_changed) < _MOST_TOLD:
            self._told_changed.add(text)
            _log.warning("%s", text)

    def _prefix(self, server: str) -> str:
        config = self._app.settings.servers.get(server)
        return "" if config is None else config.prefix

    def _reads_as_other(self, name: str) -> bool:
        """Return whether a tool's own name is what `server__tool` of some server looks like."""
        server, separator, _ = name.partition("__")
        return bool(separator) and server in self._catalog.sources

    def _is_exposed(self, info: ToolInfo, name: str) -> bool:
        if isinstance(self._exposed, str):
            return self._exposed == "all"
        full = f"{info.ref.server}__{self._prefix(info.ref.server)}{info.ref.name}"
        return any(fnmatchcase(one, pattern) for one in (name, full) for pattern in self._exposed)

    # -- calls --------------------------------------------------------------------------------------------------

    def _tool(self, name: str, info: ToolInfo) -> ServedTool:
        definition = {key: value for key, value in info.definition.items() if key != "name"}
        definition["inputSchema"] = info.input_schema
        shown = self._masker.value(definition)
        assert isinstance(shown, dict)
        shown_name = self._named(name)
        return ServedTool(
            name=shown_name,
            safe_name=safe_name(shown_name),
            definition=shown,
            call=partial(self.call, name, info),
            full_name=f"{info.ref.server}__{self._named(self._prefix(info.ref.server) + info.ref.name)}",
            ref=info.ref,
        )

    def _named(self, name: str) -> str:
        """Return a name as an agent may see it: clients take no `*` in one."""
        return self._masker.text(name).replace(MASK, _HIDDEN)

    async def call(self, name: str, info: ToolInfo, arguments: dict[str, JSONValue], caller: Caller) -> Answer:
        """Call a server's tool for an agent, with a record; its answer is given as it is."""
        answers: list[dict[str, JSONValue] | Refusal] = []
        execution_id = new_execution_id()
        work = call_tool(
            self._app,
            # In full: a bare name would wait for every server that might offer it too.
            str(info.ref),
            arguments,
            principal=caller.principal,
            execution_id=execution_id,
            on_progress=self._masked_progress(caller.on_progress),
            on_result=answers.append,
        )
        execution = await self._runs.run(work, caller, execution_id)
        given = answers[-1] if answers else None
        # What the gateway found unusable is on record as a failure; the agent is not told otherwise.
        if given is not None and (execution.error is None or isinstance(given, Refusal) or given.get("isError")):
            if isinstance(given, Refusal):
                return Answer(refusal=self._masked(given))
            raw = self._masker.value(given)
            assert isinstance(raw, dict)
            return Answer(raw=raw)
        assert execution.error is not None
        # Its one step is not the agent's.
        error = msgspec.structs.replace(execution.error, step_id=None)
        return Answer(error=error, meta={"execution_id": execution_id, "duration_ms": execution.duration_ms})

    def _masked_progress(self, on_progress: OnProgress | None) -> OnProgress | None:
        if on_progress is None:
            return None

        def tell(progress: float, total: float | None, message: str | None) -> None:
            on_progress(progress, total, None if message is None else self._masker.text(message))

        return tell

    def _masked(self, given: Refusal) -> Refusal:
        return Refusal(code=given.code, message=self._masker.text(given.message), data=self._masker.value(given.data))
