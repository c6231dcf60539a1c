"""The time limit of an execution: it stands still while anything in it waits on purpose."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class TimeLimit:
    """A time limit that stands still while anything in it waits on purpose; raises `TimeoutError`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiters = 0
        self._left = seconds
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._resume()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)

    def paused(self) -> _Pause:
        """Return a context in which time does not count; contexts may overlap."""
        return _Pause(self)

    def _resume(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._left)

    def pause(self) -> None:
        """Stop the clock; it runs again when all who stopped it let it."""
        self._waiters += 1
        when = self._timeout.when()
        if self._waiters == 1 and when is not None:
            self._left = max(0.0, when - asyncio.get_running_loop().time())
            self._timeout.reschedule(None)

    def unpause(self) -> None:
        """Let the clock run again."""
        self._waiters -= 1
        if self._waiters == 0 and not self._timeout.expired():
            self._resume()


class _Pause:
    def __init__(self, timeout: TimeLimit) -> None:
        self._timeout = timeout

    def __enter__(self) -> None:
        self._timeout.pause()

    def __exit__(self, *exc: object) -> None:
        self._timeout.unpause()
