"""Progress of one call on its way to the client: in order, and before the result."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Self

from mcp.server.context import ServerRequestContext

from ael.app.serving.served import OnProgress

#: News that wait for a slow client; of more the oldest are dropped.
_MOST_WAITING = 256


class Relay:
    """Sends progress where the caller asks for it; an async context manager around the call."""

    def __init__(self, context: ServerRequestContext[Any, Any]) -> None:
        self._session = context.session
        meta = (context.params or {}).get("_meta")
        self._wanted = isinstance(meta, dict) and meta.get("progressToken") is not None
        self._waiting: deque[tuple[float, float | None, str | None]] = deque(maxlen=_MOST_WAITING)
        self._more = asyncio.Event()
        self._over = False
        self._furthest = float("-inf")
        self._sender: asyncio.Task[None] | None = None

    @property
    def on_progress(self) -> OnProgress | None:
        """What is to be told of progress; None where the caller does not ask for it."""
        return self._take if self._wanted else None

    def _take(self, progress: float, total: float | None, message: str | None) -> None:
        # The protocol wants it to grow with each notification.
        if progress <= self._furthest or self._over:
            return
        self._furthest = progress
        self._waiting.append((progress, total, message))
        self._more.set()

    async def __aenter__(self) -> Self:
        if self._wanted:
            self._sender = asyncio.get_running_loop().create_task(self._send())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sender is None:
            return
        self._over = True
        self._more.set()
        if error is not None:
            self._sender.cancel()
            return
        try:
            await asyncio.wait((self._sender,))
        except asyncio.CancelledError:
            self._sender.cancel()
            raise

    async def _send(self) -> None:
        while True:
            while self._waiting:
                await self._session.report_progress(*self._waiting.popleft())
            if self._over:
                return
            self._more.clear()
            await self._more.wait()
