"""Tells clients that lists have changed: sessions of the handshake era directly, others by their subscriptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

_log = logging.getLogger("ael.serving")

#: Seconds in which changes count as one, and that a client gets to take the news.
_TOLD_AFTER, _PATIENCE = 0.05, 5.0


class News:
    """Everybody who is to be told."""

    def __init__(self) -> None:
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus)
        self._closed = False
        self._sessions: set[ServerSession] = set()
        self._due: asyncio.TimerHandle | None = None
        self._lists = False
        self._updated: set[str] = set()
        self._telling: set[asyncio.Task[None]] = set()

    async def listen(
        self, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve `subscriptions/listen`; after `close` it ends as soon as it has begun."""
        if self._closed:
            asyncio.get_running_loop().call_soon(self._streams.close)
        return await self._streams(context, params)

    def welcome(self, session: ServerSession) -> None:
        """Tell a session of the handshake era from now on, until its connection closes."""
        self._sessions.add(session)
        # The SDK offers handlers no other way to learn of a connection's end.
        session._connection.exit_stack.callback(self._sessions.discard, session)  # noqa: SLF001 # as above

    def changed(self) -> None:
        """Tell everybody within a moment that the lists have changed."""
        self._lists = True
        self._soon()

    def updated(self, uris: Iterable[str]) -> None:
        """Tell those who subscribed to one of these resources."""
        self._updated.update(uris)
        if self._updated:
            self._soon()

    def _soon(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(_TOLD_AFTER, self._tell)

    def _tell(self) -> None:
        events: list[ServerEvent] = [ToolsListChanged(), ResourcesListChanged()] if self._lists else []
        events += [ResourceUpdated(uri) for uri in sorted(self._updated)]
        self._start(self._publish(events))
        if self._lists:
            for session in tuple(self._sessions):
                self._start(self._tell_session(session))
        self._due, self._lists, self._updated = None, False, set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _publish(self, events: list[ServerEvent]) -> None:
        for event in events:
            await self._bus.publish(event)

    async def _tell_session(self, session: ServerSession) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await session.send_tool_list_changed()
                await session.send_resource_list_changed()
        except (TimeoutError, anyio.ClosedResourceError, anyio.BrokenResourceError):
            _log.debug("a session takes no news")

    def close(self) -> None:
        """End all subscriptions, and tell nothing any more."""
        if self._due is not None:
            self._due.cancel()
        self._closed = True
        self._streams.close()
        for task in self._telling:
            task.cancel()
