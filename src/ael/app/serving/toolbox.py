"""All providers as one list of tools, and a call by any name of a tool."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import msgspec

from ael.app.serving.names import is_ours, safe_name
from ael.app.serving.served import Answer, Caller, Provider, ServedTool
from ael.errors import AelError, ExecutionCancelled, InternalError, ToolUnavailable, did_you_mean
from ael.tools import ToolRef
from ael.values import JSONValue

_log = logging.getLogger("ael.serving")

#: Tools whose names are taken that are told of.
_MOST_TOLD = 1000


class Toolbox:
    """What agents see as tools.

    No two have a name in common, whatever its spelling: a server cannot take calls over by naming a tool like one of
    ours. Its tool is offered under its full name then.
    """

    def __init__(self, providers: Iterable[Provider], masked: Callable[[], AbstractContextManager[None]]) -> None:
        """Take what offers tools, and what takes the secrets out of errors that leave it."""
        self._masked = masked
        self._providers: tuple[Provider, ...] = ()
        self._listeners: list[Callable[[], None]] = []
        self._seen: tuple[Sequence[ServedTool], ...] = ()
        self._listed: tuple[ServedTool, ...] = ()
        self._by_name: dict[str, ServedTool] = {}
        #: What was told of tools whose names are taken.
        self._told: set[str] = set()
        self.replace(providers)

    def replace(self, providers: Iterable[Provider]) -> None:
        """Offer the tools of these providers from now on."""
        self._providers = tuple(providers)
        for provider in self._providers:
            provider.subscribe(lambda one=provider: self._changed(one))  # type: ignore[misc]  # bound to this one
        self._tell()

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Have a function called whenever the list has changed."""
        self._listeners.append(on_change)

    def _changed(self, provider: Provider) -> None:
        # One that was replaced may still have news, which are none of ours.
        if provider in self._providers:
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    async def tools(self) -> tuple[ServedTool, ...]:
        """Return all tools, providers in order; the same object while nothing changes."""
        await asyncio.gather(*(provider.ready() for provider in self._providers))
        return self.listed()

    def listed(self) -> tuple[ServedTool, ...]:
        """Return the tools as they are now."""
        seen = tuple(provider.tools() for provider in self._providers)
        if len(seen) == len(self._seen) and all(new is old for new, old in zip(seen, self._seen, strict=True)):
            return self._listed
        self._listed, self._by_name, renamed = _named([tool for tools in seen for tool in tools])
        self._seen = seen
        # Once: a server may have news all the time, and others each time.
        new = sorted(renamed - self._told)[: max(0, _MOST_TOLD - len(self._told))]
        self._told.update(new)
        for why in new:
            _log.warning("%s", why)
        return self._listed

    def upstream(self) -> dict[str, ToolRef]:
        """Return what the names of the servers' tools mean now: canonical, safe and full ones."""
        refs = {tool.full_name: tool.ref for tool in self.listed() if tool.ref is not None}
        return refs | {name: tool.ref for name, tool in self._by_name.items() if tool.ref is not None}

    def known(self, name: str) -> ServedTool | None:
        """Return the tool that a name means now, canonical or safe."""
        self.listed()
        tool = self._by_name.get(name)
        if tool is not None:
            return tool
        return next((found for one in self._providers if (found := one.find(name)) is not None), None)

    async def find(self, name: str, *, is_safe: bool = False) -> ServedTool:
        """Return the tool that a name means; raises `ToolUnavailable` with the nearest name, spelled as it is listed.

        `is_safe`: the caller sees safe names.
        """
        tool = self.known(name)
        if tool is None:
            await self.tools()
            tool = self.known(name)
        if tool is None:
            shown = name if len(name) <= 80 else f"{name[:80]}…"
            names = [one.safe_name if is_safe else one.name for one in self._listed]
            hints = [did_you_mean(name, names, "tool") or "No tools are offered."]
            hints += [missing for provider in self._providers if (missing := provider.missing())]
            hint = " ".join(hints)
            raise ToolUnavailable("there is no such tool", suggestion=hint, tool_name=shown, retryable=False)
        return tool

    async def call(self, tool: ServedTool, arguments: dict[str, JSONValue], caller: Caller) -> Answer:
        """Call a tool; a failure is an answer too."""
        try:
            with self._masked():
                return await tool.call(arguments, caller)
        except ExecutionCancelled as error:
            begun = error.values.get("execution_id")
            return Answer(error=error.record(), meta={"execution_id": begun} if isinstance(begun, str) else {})
        except AelError as error:
            return Answer(error=error.record())
        except Exception:  # noqa: BLE001 # a defect: told to the caller under an id, the stack to the log
            incident = os.urandom(4).hex()
            _log.exception("%s failed by a defect of AEL: %s", tool.name, incident)
            return Answer(error=InternalError(f"report it as {incident}; the server's log has more").record())


def _named(tools: Sequence[ServedTool]) -> tuple[tuple[ServedTool, ...], dict[str, ServedTool], set[str]]:
    """Return the tools in their order, each with names of its own, what each name means, and what is to be told."""
    renamed: set[str] = set()
    names: dict[str, ServedTool] = {}
    named: dict[int, ServedTool] = {}
    ours = {tool.name for tool in tools if not tool.full_name}
    # Servers choose their tools' names: ours come first.
    for at, tool in sorted(enumerate(tools), key=lambda one: bool(one[1].full_name)):
        chosen = next((one for one in _spellings(tool, ours) if not {one.name, one.safe_name} & names.keys()), None)
        if chosen is None:
            renamed.add(f"another tool named {tool.name} is not offered")
            continue
        if chosen.name != tool.name:
            renamed.add(f"{tool.name} is offered as {chosen.name}: its name is taken")
        named[at] = names[chosen.name] = names[chosen.safe_name] = chosen
    return tuple(named[at] for at in sorted(named)), names, renamed


def _spellings(tool: ServedTool, ours: set[str]) -> Iterator[ServedTool]:
    """Yield a tool under the names that it may have, the best first."""
    if not (tool.full_name and (is_ours(tool.name) or is_ours(tool.safe_name))):
        if tool.safe_name == tool.name or tool.safe_name not in ours:
            yield tool
        yield msgspec.structs.replace(tool, safe_name=safe_name(tool.name, marked=True))
    if tool.full_name:
        yield msgspec.structs.replace(tool, name=tool.full_name, safe_name=safe_name(tool.full_name))
        yield msgspec.structs.replace(tool, name=tool.full_name, safe_name=safe_name(tool.full_name, marked=True))
