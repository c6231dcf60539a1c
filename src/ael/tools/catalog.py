"""Names → tools. A bare name works while one server offers it, `server__tool` always.

A bare name needs every enabled server, since any of them may offer it; `server__tool` starts that one alone. A server
that fails matters only to names that it might have offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import partial

import msgspec

from ael.errors import AelError, McpConnectionFailed, ToolUnavailable, did_you_mean
from ael.tools import ToolInfo, ToolRef
from ael.tools.last_seen import LastSeen
from ael.tools.servers import ServerConfig, ToolSource

_SEPARATOR = "__"


class _Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one source offers after include and exclude."""

    #: As the source gave it.
    listed: list[ToolInfo]
    tools: list[ToolInfo]
    #: By their own names and by those with the server's prefix.
    by_name: dict[str, ToolInfo]


class ToolCatalog:
    """Everything that the configured sources offer."""

    def __init__(
        self,
        sources: Iterable[ToolSource],
        configs: Mapping[str, ServerConfig] | None = None,
        *,
        note: str = "",
        last_seen: LastSeen | None = None,
    ) -> None:
        """Take the sources; `note` is added where a name is unknown, when sources were left out on purpose."""
        self._note = note
        self._last_seen = last_seen or LastSeen()
        self._sources = {source.name: source for source in sources}
        self._configs = dict(configs or {})
        self._offers: dict[str, _Offer] = {}

    @property
    def sources(self) -> dict[str, ToolSource]:
        """The sources by name."""
        return dict(self._sources)

    async def resolve(
        self, name: str, resolved: dict[str, ToolRef], seconds: float | None = None
    ) -> tuple[ToolInfo, ToolSource]:
        """Return the tool that a name means; `resolved` keeps a name's meaning within one execution.

        `seconds` limits what servers take that were here before; a first start has a limit of its own. Raises
        `ToolUnavailable` for a name that nobody offers or that several do, `McpConnectionFailed` when the servers that
        might offer it cannot be reached.
        """
        known = resolved.get(name)
        if known is not None and (found := self._at_hand(known)) is not None:
            return found
        server, separator, tool = (known.server, _SEPARATOR, known.name) if known else name.partition(_SEPARATOR)
        is_one = bool(separator) and server in self._sources
        asked = [server] if is_one else [source.name for source in self._enabled()]
        try:
            async with asyncio.timeout(seconds if self._offers.keys() >= set(asked) else None):
                found = await (self._find(server, tool, name) if is_one else self._search(name))
        except TimeoutError:
            who = f"server '{server}'" if is_one else f"one of the servers {', '.join(asked)}"
            detail = f"{who} said that its tools have changed, and did not list them within {seconds:g}s"
            raise ToolUnavailable(detail, tool_name=name) from None
        # Steps that asked at the same time mean the same.
        first = resolved.setdefault(name, found[0].ref)
        return found if first == found[0].ref else await self._find(first.server, first.name, name)

    def _at_hand(self, ref: ToolRef) -> tuple[ToolInfo, ToolSource] | None:
        """Return a tool whose server need not be asked: nearly every call is of one, and a time limit costs more."""
        source, offer = self._sources.get(ref.server), self._offers.get(ref.server)
        if source is None or offer is None or source.at_hand is not offer.listed:
            return None
        info = offer.by_name.get(ref.name)
        return None if info is None else (info, source)

    async def _find(self, server: str, tool: str, name: str) -> tuple[ToolInfo, ToolSource]:
        source = self._sources[server]
        offered = await self._offered(source)
        info = offered.by_name.get(tool)
        if info is not None:
            return info, source
        if why := source.broken.get(tool):
            raise ToolUnavailable(f"server '{server}' lists it, but: {why}", tool_name=name, retryable=False)
        names = [f"{server}{_SEPARATOR}{self._shown(info.ref)}" for info in offered.tools]
        raise ToolUnavailable(
            f"server '{server}' offers no tool '{tool}'",
            suggestion=did_you_mean(name, names, "tool"),
            tool_name=name,
            retryable=False,
        )

    async def _search(self, name: str) -> tuple[ToolInfo, ToolSource]:
        offered, failures = await self.everything()
        found = [info for info in offered if self._shown(info.ref) == name]
        for server, error in failures.items() if found else ():
            prefix = self._configs.get(server, _ENABLED).prefix
            if name.startswith(prefix) and self._last_seen.offered(server, name.removeprefix(prefix)):
                raise _reserved(name, server, found, error)
        if len(found) == 1:
            return found[0], self._sources[found[0].ref.server]
        if found:
            names = ", ".join(sorted(str(info.ref) for info in found))
            raise ToolUnavailable(
                f"several servers offer '{name}'",
                suggestion=f"Name the one that you mean: {names}.",
                tool_name=name,
                retryable=False,
            )
        if failures:
            # It may be one of theirs: nobody can tell, and the first one's reason is the best lead.
            error = next(iter(failures.values()))
            # In our words: what a server said itself does not belong to a tool that may not be its own.
            why = error.detail if len(self._sources) == 1 else error.values.get("own_words", error.detail)
            detail = f"tool '{name}' is on no server that runs; {why}"
            raise McpConnectionFailed(detail, suggestion=error.suggestion, tool_name=name) from error
        for source in self._sources.values():
            prefix = self._configs.get(source.name, _ENABLED).prefix
            if why := source.broken.get(name.removeprefix(prefix)):
                detail = f"server '{source.name}' lists it, but: {why}"
                raise ToolUnavailable(detail, tool_name=name, retryable=False)
        known = [self._shown(info.ref) for info in offered]
        hint = did_you_mean(name, known, "tool") or "Add a server under mcp.servers in ael-config.yaml."
        detail = "no server offers it" + (f"; {self._note}" if self._note else "")
        raise ToolUnavailable(detail, suggestion=hint, tool_name=name, retryable=False)

    async def everything(self) -> tuple[list[ToolInfo], dict[str, AelError]]:
        """Return all tools, starting all enabled servers at once, and why servers failed."""
        enabled = self._enabled()
        answers = await asyncio.gather(
            *(self._offered(source, is_patient=False) for source in enabled), return_exceptions=True
        )
        offered: list[ToolInfo] = []
        failures: dict[str, AelError] = {}
        for source, answer in zip(enabled, answers, strict=True):
            if isinstance(answer, AelError):
                failures[source.name] = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                offered += answer.tools
        return offered, failures

    def _enabled(self) -> list[ToolSource]:
        return [source for name, source in self._sources.items() if self._configs.get(name, _ENABLED).enabled]

    async def offered(self, name: str) -> list[ToolInfo]:
        """Return what one source offers after include and exclude; raises `McpConnectionFailed`."""
        return (await self._offered(self._sources[name])).tools

    async def _offered(self, source: ToolSource, *, is_patient: bool = True) -> _Offer:
        """Return what a source offers here; a source gives the same list while nothing has changed."""
        listed = await source.tools(is_patient=is_patient)
        known = self._offers.get(source.name)
        if known is not None and known.listed is listed:
            return known
        chosen = self._configs.get(source.name, _ENABLED).tools
        tools = [
            info
            for info in listed
            if any(fnmatchcase(info.ref.name, pattern) for pattern in chosen.include)
            and not any(fnmatchcase(info.ref.name, pattern) for pattern in chosen.exclude)
        ]
        by_name = {self._shown(info.ref): info for info in tools} | {info.ref.name: info for info in tools}
        offer = self._offers[source.name] = _Offer(listed=listed, tools=tools, by_name=by_name)
        self._last_seen.keep(source.name, (info.ref.name for info in tools))
        return offer

    def _shown(self, ref: ToolRef) -> str:
        """Return the bare name under which a tool is known: its own with the server's prefix."""
        return self._configs.get(ref.server, _ENABLED).prefix + ref.name

    def subscribe(self, on_change: Callable[[str], None]) -> Callable[[], None]:
        """Have a function called with a source's name soon after what it offers may have changed.

        That is a changed list, a server that comes or one that goes; return what ends the subscription.
        """
        ends = [source.subscribe(partial(on_change, name)) for name, source in self._sources.items()]

        def end() -> None:
            for one in ends:
                one()

        return end

    async def close(self) -> None:
        """Stop all sources at once."""
        await asyncio.gather(*(source.close() for source in self._sources.values()))


def _reserved(name: str, server: str, others: list[ToolInfo], error: AelError) -> AelError:
    """Return the error for a name of a server that is down, which another one offers too."""
    names = ", ".join(sorted(str(info.ref) for info in others))
    return McpConnectionFailed(
        f"server '{server}' is down, and offered '{name}' when it was last seen; {error.detail}",
        suggestion=f"If another one is meant, name it: {names}.",
        tool_name=name,
    )


_ENABLED = ServerConfig()
