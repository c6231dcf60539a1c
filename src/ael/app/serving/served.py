"""A tool that agents see, its answer, and who calls it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from ael.errors import ErrorRecord
from ael.tools import Refusal, ToolRef
from ael.values import JSONValue

#: Told how far a call is, of how much, and in words.
OnProgress = Callable[[float, float | None, str | None], None]


class Presence:
    """Whether somebody is still there: one HTTP request, or the other end of our pipes."""

    def __init__(self) -> None:
        self.gone = False
        self._listeners: set[Callable[[], None]] = set()
        self._answers = 0
        self._when_idle: Callable[[], None] | None = None

    def leave(self) -> None:
        """Say that nobody is there any more."""
        self.gone = True
        for listener in tuple(self._listeners):
            listener()

    def when_gone(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have a function called when they leave, which may be now; return what takes that back."""
        if self.gone:
            listener()
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Say that something works for them, also after they have left."""
        self._answers += 1
        try:
            yield
        finally:
            self._answers -= 1
            self._tell_idle()

    def when_idle(self, listener: Callable[[], None]) -> None:
        """Have a function called once nothing works for them any more, which may be now."""
        self._when_idle = listener
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self._when_idle is not None and not self._answers:
            listener, self._when_idle = self._when_idle, None
            listener()


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf one call is made."""

    presence: Presence
    #: A plain id, for the record.
    principal: str = "mcp"
    #: None: the caller does not ask for progress.
    on_progress: OnProgress | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a call gives."""

    value: JSONValue = None
    error: ErrorRecord | None = None
    #: About the execution: its id, workflow, version and time.
    meta: dict[str, JSONValue] = {}
    #: The whole result as an MCP server gave it, which is passed on unchanged.
    raw: dict[str, JSONValue] | None = None
    #: An MCP server's error of the protocol, which is passed on too.
    refusal: Refusal | None = None


#: Calls a tool; raises `AelError`.
CallTool = Callable[[dict[str, JSONValue], Caller], Awaitable[Answer]]


class ServedTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as agents see it."""

    #: Canonical.
    name: str
    #: For hosts that take only letters, digits, `_` and `-`.
    safe_name: str
    #: The tool object of MCP, without its name.
    definition: dict[str, Any]
    #: Of a server's tool: what it is called where one of ours, or of an earlier server, has its name.
    full_name: str = ""
    ref: ToolRef | None = None
    call: CallTool

    @property
    def input_schema(self) -> dict[str, Any]:
        """Return the schema of the arguments."""
        schema: dict[str, Any] = self.definition["inputSchema"]
        return schema


class Provider(Protocol):
    """Offers tools to agents: a kind of them, such as workflows."""

    def tools(self) -> Sequence[ServedTool]:
        """Return what is offered now, in a stable order; the same object while nothing changes."""
        ...

    def find(self, name: str) -> ServedTool | None:
        """Return a tool that is not listed under this name but may be called by it, such as an older version."""
        ...

    def missing(self) -> str:
        """Return a sentence about what is not in the list yet; empty when it is complete."""
        ...

    async def ready(self) -> None:
        """Return when the first list is complete, or as complete as is worth waiting for."""
        ...

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Have a function called whenever the list has changed."""
        ...
