"""MCP servers: one owner task each, which holds the connection for its whole life.

A server starts when it is first needed and is restarted with backoff when it dies; calls in flight then fail, they
are never repeated here. One that has failed is tried again by the next need, not before a growing pause is over.
Above stands the catalog.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, Protocol

from ael.errors import McpConnectionFailed, ToolFailed, ToolTimeout, ToolUnavailable
from ael.tools import ToolInfo
from ael.tools.client import CallResult, McpClient
from ael.tools.connections import (
    BY_HAND,
    Connector,
    Failure,
    ServerConfig,
    ToolFilter,
    retry_after_of,
    wait_hint,
    words,
)
from ael.tools.jsonrpc import METHOD_NOT_FOUND, InvalidAnswer, OnProgress, PeerGone, PeerTimeout, RpcError
from ael.tools.keeper import Keeper
from ael.tools.offers import Offers, sift
from ael.tools.stderr import visible
from ael.values import bulk

__all__ = ["RETRYABLE_STATUS", "Changes", "McpServer", "ServerConfig", "Status", "ToolFilter", "ToolSource"]

Status = Literal["stopped", "starting", "ready", "restarting", "failed", "disabled"]

#: Restarts wait so long at first and at most, seconds; a server that died this often in a row has failed.
_FIRST_BACKOFF, _LONGEST_BACKOFF, _MOST_RESTARTS = 0.1, 5.0, 5

#: Seconds after which a failed server may be tried again, at first and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0

#: Seconds that a start may take beside the answer of the server: to load what speaks to it, to stop it when it fails.
_AROUND = 5.0

#: Seconds after which a server that still runs counts as one that works.
_STEADY = 30.0

#: Seconds in which changes count as one.
_TOLD_AFTER = 0.05

#: Seconds between two attempts to listen to a server that stopped telling of changes, at first and at most.
_FIRST_DEAFNESS, _LONGEST_DEAFNESS = 1.0, 60.0

#: Tools of a list that are looked at on the event loop.
_FEW_TOOLS = 50

#: HTTP statuses of a client's error after which trying again may help; other 4xx say no.
RETRYABLE_STATUS = frozenset({408, 425, 429})

#: Codes of JSON-RPC for a request that is wrong as it stands.
_WRONG_REQUEST = frozenset({-32700, -32600, -32601, -32602})


class ToolSource(Protocol):
    """Something that offers tools: a server, or a fake."""

    name: str

    @property
    def broken(self) -> dict[str, str]:
        """Names of the tools that were left out, and why."""
        ...

    @property
    def at_hand(self) -> list[ToolInfo] | None:
        """What `tools` would return now without waiting for anything; None where it would have to."""
        ...

    async def tools(self, *, is_patient: bool = True) -> list[ToolInfo]:
        """Return what is offered, starting what must run for it; raises `McpConnectionFailed`.

        Who is not patient does not wait for a source that has failed and is being tried again.
        """
        ...

    async def call(
        self,
        tool: str,
        params: dict[str, Any],
        *,
        timeout_seconds: float | None,
        meta: dict[str, Any],
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """Call a tool by its own name; raises `ToolTimeout`, `ToolUnavailable` or `ToolFailed`."""
        ...

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Have a function called soon after what is offered may have changed; return what ends that."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class Changes:
    """Tells of changes, once for many of them that come in a storm."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[], None]] = {}
        self._due: asyncio.TimerHandle | None = None

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Add a listener; return what removes it."""
        key = object()
        self._listeners[key] = on_change

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def tell(self) -> None:
        """Call every listener within a moment."""
        if self._listeners and self._due is None:
            self._due = asyncio.get_running_loop().call_later(_TOLD_AFTER, self._call)

    def _call(self) -> None:
        self._due = None
        for listener in tuple(self._listeners.values()):
            listener()


class McpServer:
    """A server that is a process, or is reached by a URL; implements `ToolSource`."""

    def __init__(
        self, name: str, config: ServerConfig, default_timeout: float = 30.0, keeper: Keeper | None = None
    ) -> None:
        """Take how it is reached, and who sees to it that nothing of it is left, where servers share one."""
        self.name = name
        self.config = config
        self.status: Status = "stopped" if config.enabled else "disabled"
        #: Why it failed, or is restarted.
        self.reason = ""
        self._timeout = config.timeout or default_timeout
        self._connector = Connector(config, self._on_notification, keeper or Keeper())
        self._owner: asyncio.Task[None] | None = None
        self._client: McpClient | None = None
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        #: The last failure, until it is ready again; when it may be tried again, and failures in a row.
        self._failure: Failure | None = None
        self._retry_at = 0.0
        self._failures = 0
        #: Deaths since it last answered a call, or ran for long.
        self._deaths = 0
        self._offers: Offers | None = None
        #: Counts what may have changed the list, and which of these the list in hand is of.
        self._generation = 0
        self._listed = -1
        self._listing = asyncio.Lock()
        #: Why it did not list its tools when it was asked last, since when that is known, and until when those who may
        #: not need it go on without.
        self._silence: tuple[Failure, float, float] | None = None
        self._changes = Changes()
        self._calls = asyncio.Semaphore(config.max_concurrency)

    # -- the Protocol -------------------------------------------------------------------------------------------

    @property
    def at_hand(self) -> list[ToolInfo] | None:
        """See `ToolSource.at_hand`."""
        if self._offers is None or self._listed != self._generation or not self._is_ready:
            return None
        return self._offers.tools

    async def tools(self, *, is_patient: bool = True) -> list[ToolInfo]:
        """See `ToolSource.tools`; while a server is down, it offers what it offered."""
        self._check_enabled(self.name)
        self._start_if_due()
        if self._offers is not None and (self._listed == self._generation or not self._is_ready):
            return self._offers.tools
        if self._failure is not None and not self._is_ready and not is_patient:
            raise self._failure.error(self.name)
        asked = asyncio.get_running_loop().time()
        async with self._listing:
            if self._offers is None or self._listed != self._generation:
                self._check_silence(asked, is_patient=is_patient)
                await self._list()
            assert self._offers is not None
            return self._offers.tools

    def _check_silence(self, asked: float, *, is_patient: bool) -> None:
        """Raise what those were told who waited for the same list: nobody waits for one list after the other."""
        if self._silence is None:
            return
        failure, since, until = self._silence
        if asked <= since or (not is_patient and asked < until):
            raise failure.error(self.name)

    def _unlisted(self, failure: Failure, begun: float) -> McpConnectionFailed:
        """Return the error for a list that did not come; who may not need it does not wait again for as long as now."""
        now = asyncio.get_running_loop().time()
        self._silence = failure, now, now + (now - begun)
        return failure.error(self.name)

    async def _list(self) -> None:
        begun = asyncio.get_running_loop().time()
        seconds = self.config.startup_timeout + _AROUND
        try:
            client = await self._ready(begun + seconds, self.name)
        except TimeoutError:
            why = f"it is not ready after {seconds:g}s" + (f": {self.reason}" if self.reason else "")
            raise self._unlisted(Failure(why=why), begun) from None
        generation = self._generation
        try:
            # As long as a start may take: a limit that is meant for calls may be a short one.
            listed = await client.list_tools(max(self._timeout, self.config.startup_timeout))
        except (RpcError, PeerGone, PeerTimeout, InvalidAnswer) as error:
            if isinstance(error, PeerGone) and self._offers is not None:
                # It is down, as it may have been a moment before: a call waits until it is back.
                return
            if not isinstance(error, RpcError) or error.code != METHOD_NOT_FOUND:
                said = f": {words(error)}" if isinstance(error, RpcError) else ""
                why = "it does not list its tools" + ("" if said else f": {words(error)}")
                asked = retry_after_of(error)
                hint = wait_hint(asked) or BY_HAND
                failure = Failure(why=why, said=said, suggestion=hint, retry_after=asked)
                raise self._unlisted(failure, begun) from error
            # It is of use for other things.
            listed = []
        few = len(listed) <= _FEW_TOOLS and not bulk.is_large([*listed])
        self._offers = sift(self.name, listed) if few else await bulk.in_thread(sift, self.name, listed)
        self._listed = generation

    async def call(
        self,
        tool: str,
        params: dict[str, Any],
        *,
        timeout_seconds: float | None,
        meta: dict[str, Any],
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """See `ToolSource.call`; all that it waits for lies within its time: its turn, a restart, the answer."""
        seconds = timeout_seconds or self._timeout
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            if self._calls.locked():
                async with asyncio.timeout_at(until):
                    await self._calls.acquire()
            else:
                await self._calls.acquire()
        except TimeoutError:
            detail = f"{self.config.max_concurrency} calls of server '{self.name}' run, and none of them ended in time"
            raise ToolTimeout(detail, tool_name=tool, timeout_seconds=f"{seconds:g}") from None
        try:
            client = self._client
            if client is None or not client.peer.is_open:
                client = await self._ready(until, tool)
            left = max(0.0, until - loop.time())
            result = await client.call_tool(tool, params, timeout_seconds=left, meta=meta, on_progress=on_progress)
        except TimeoutError:
            why = f": {self.reason}" if self.reason else ""
            detail = f"server '{self.name}' is {self.status} and was not ready in time{why}"
            raise ToolUnavailable(detail, tool_name=tool) from None
        except PeerTimeout as error:
            detail = f"server '{self.name}' did not answer in time; the call was cancelled there"
            raise ToolTimeout(detail, tool_name=tool, timeout_seconds=f"{seconds:g}") from error
        except PeerGone as error:
            detail = f"server '{self.name}' went away: {visible(str(error))}{self._connector.last_words()}"
            asked = error.retry_after
            raise ToolUnavailable(detail, suggestion=wait_hint(asked), retry_after=asked, tool_name=tool) from error
        except InvalidAnswer as error:
            detail = f"server '{self.name}': {visible(str(error))}"
            raise ToolFailed(detail, tool_name=tool, retryable=False) from error
        except RpcError as error:
            detail = f"{visible(error.message)} (code {error.code})"
            may_retry = _may_retry(error)
            asked = retry_after_of(error) if may_retry else None
            raise ToolFailed(
                detail, suggestion=wait_hint(asked), retry_after=asked, tool_name=tool, retryable=may_retry
            ) from error
        finally:
            self._calls.release()
        self._deaths = 0
        return result

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """See `ToolSource.subscribe`: told of a changed list, of a server that is ready and of one that is not."""
        return self._changes.subscribe(on_change)

    async def close(self) -> None:
        """See `ToolSource.close`."""
        self._stop.set()
        self._changed.set()
        if self._owner is not None:
            await asyncio.wait((self._owner,))

    # -- what is known of it ------------------------------------------------------------------------------------

    @property
    def broken(self) -> dict[str, str]:
        """The tools that were left out, and why."""
        return dict(self._offers.broken) if self._offers is not None else {}

    def stderr(self) -> list[str]:
        """Return the last lines of the server's standard error, also of the processes that died."""
        return self._connector.last_lines.lines()

    @property
    def _is_ready(self) -> bool:
        return self._client is not None and self._client.peer.is_open

    # -- life ---------------------------------------------------------------------------------------------------

    async def _ready(self, until: float, tool: str) -> McpClient:
        """Return the connection, starting the server or waiting for its restart.

        Raises `McpConnectionFailed`, `ToolUnavailable`, or `TimeoutError` at the time `until`.
        """
        self._check_enabled(tool)
        self._start_if_due()
        async with asyncio.timeout_at(until):
            while self._client is None or not self._client.peer.is_open:
                if self._stop.is_set():
                    raise ToolUnavailable(f"server '{self.name}' has been stopped", tool_name=tool)
                if self._failure is not None and (self._owner is None or self._owner.done()):
                    raise self._failure.error(self.name)
                self._changed.clear()
                await self._changed.wait()
        return self._client

    def _check_enabled(self, tool: str) -> None:
        if self.status == "disabled":
            detail = f"server '{self.name}' is disabled"
            raise ToolUnavailable(detail, suggestion="Set `enabled: true`.", retryable=False, tool_name=tool)

    def _start_if_due(self) -> None:
        """Give a server an owner, unless it has one, has been stopped, or failed a moment ago."""
        if self._stop.is_set() or (self._owner is not None and not self._owner.done()):
            return
        loop = asyncio.get_running_loop()
        if self._failure is None or loop.time() >= self._retry_at:
            self._owner = loop.create_task(self._own(), name=f"mcp server {self.name}")

    async def _own(self) -> None:
        """Start the server, hold its connection, restart it when it dies, stop it in the end."""
        self._deaths = 0
        try:
            while not self._stop.is_set():
                self._set("restarting" if self._deaths else "starting")
                failure = await self._hold()
                if self._stop.is_set():
                    break
                self._deaths += 1
                if failure is not None and (self._deaths == 1 or failure.is_final):
                    return self._give_up(failure)
                if self._deaths > _MOST_RESTARTS:
                    return self._give_up(failure or Failure(why=f"it died {self._deaths} times in a row"))
                self._set("restarting")
                pause = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**self._deaths)
                await _either(self._stop, _about(pause))
        finally:
            if self._status_is_alive:
                self._set("stopped")

    @property
    def _status_is_alive(self) -> bool:
        return self.status not in {"failed", "disabled"}

    async def _hold(self) -> Failure | None:
        """Connect, hold the connection until it ends or the server is to stop; return why there was none."""
        try:
            client = await self._open_unless_stopped()
        except Exception as error:  # noqa: BLE001 # whatever it is, this server has failed and says why
            failure = self._connector.explain(error)
            self.reason = failure.why
            return failure
        if client is None:
            return None
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._client, self._failure, self._failures, self.reason = client, None, 0, ""
        self._silence = None
        self._generation += 1
        self._set("ready")
        listening = loop.create_task(self._listen(client)) if client.is_to_be_listened_to else None
        stopping = loop.create_task(self._stop.wait())
        try:
            await asyncio.wait((client.peer.gone, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if listening is not None:
                listening.cancel()
            self.reason = client.peer.ended or ""
            await client.close()
        if loop.time() - begun > _STEADY:
            self._deaths = 0
        return None

    async def _open_unless_stopped(self) -> McpClient | None:
        opening = asyncio.create_task(self._connector.open())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
            return await opening if opening.done() else None
        finally:
            stopping.cancel()
            if not opening.done():
                opening.cancel()
                await asyncio.wait((opening,))

    async def _listen(self, client: McpClient) -> None:
        """Have a server of the modern era tell of changes for as long as it is there."""
        pause = _FIRST_DEAFNESS
        while True:
            with suppress(PeerGone):
                await client.listen()
            if not client.peer.is_open:
                return
            await asyncio.sleep(_about(pause))
            pause = min(_LONGEST_DEAFNESS, pause * 2)
            # What it did not tell meanwhile.
            self._list_changed()

    def _give_up(self, failure: Failure) -> None:
        """Let a server rest until a need comes after a pause that grows with each failure, or that it asked for."""
        self._failure = failure
        self.reason = failure.why
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        self._failures += 1
        asked = min(_LONGEST_PAUSE, failure.retry_after or 0.0)
        self._retry_at = asyncio.get_running_loop().time() + max(_about(pause), asked)
        self._set("failed")

    def _set(self, status: Status) -> None:
        if status != self.status:
            self._changes.tell()
        self.status = status
        self._changed.set()

    def _on_notification(self, method: str, params: dict[str, Any]) -> None:
        if method == "notifications/tools/list_changed":
            self._list_changed()

    def _list_changed(self) -> None:
        self._generation += 1
        self._changes.tell()


def _may_retry(error: RpcError) -> bool:
    """Return whether the same request may succeed later: not when it is wrong, or refused for good."""
    status = error.data.get("status") if isinstance(error.data, dict) else None
    if isinstance(status, int):
        return status in RETRYABLE_STATUS or status >= 500
    return error.code not in _WRONG_REQUEST


def _about(seconds: float) -> float:
    """Return half to all of so many seconds, so that many servers do not come back at once."""
    return seconds * (0.5 + random.random() / 2)  # noqa: S311 # jitter, no secret


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not longer than so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
