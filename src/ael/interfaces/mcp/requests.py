"""Requests that are not answered yet, by their ids: of two with one id only the later could be cancelled."""

from __future__ import annotations

import asyncio

from mcp_types import RequestId

#: What an id that is taken is told.
TAKEN = (
    "Invalid request: a request with this id still runs, and only one of them could be cancelled. "
    "Give each request an id of its own."
)


class OpenRequests:
    """The requests of one session; ids are as the SDK keeps them."""

    def __init__(self) -> None:
        self._open: set[RequestId] = set()
        self._none = asyncio.Event()
        self._none.set()

    def begin(self, number: RequestId) -> bool:
        """Take an id; False where a request has it."""
        if number in self._open:
            return False
        self._open.add(number)
        self._none.clear()
        return True

    def end(self, number: RequestId) -> None:
        """Give an id back."""
        self._open.discard(number)
        if not self._open:
            self._none.set()

    async def none(self) -> None:
        """Wait until there are none."""
        await self._none.wait()

    async def answered(self, seconds: float) -> None:
        """Wait until there are none, but not for long."""
        try:
            async with asyncio.timeout(seconds):
                await self.none()
        except TimeoutError:
            return
