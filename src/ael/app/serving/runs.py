"""The executions that agents start: owned here, so that a call may end before what it started has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from functools import partial
from typing import Any, Literal, TypeVar

from ael.app.serving.served import Caller
from ael.errors import AelError, ExecutionCancelled

_log = logging.getLogger("ael.serving")

T = TypeVar("T")


class Runs:
    """All that runs on behalf of agents."""

    def __init__(self, on_disconnect: Literal["cancel", "continue"]) -> None:
        self._on_disconnect = on_disconnect
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    async def run(self, work: Coroutine[Any, Any, T], caller: Caller, execution_id: str) -> T:
        """Run to the end and return the result.

        Cancelling this call cancels the work too, unless the caller has only gone away and what it started goes on
        (`execution.on_disconnect`). Either way the work ends by itself, with a record. Raises `ExecutionCancelled`
        when it was stopped from elsewhere, with the id of its record where it had begun.
        """
        if self._stopping:
            work.close()
            raise self._stopped()
        # A task of its own: what cancels a request goes on cancelling, and a record needs time to be written.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        goes_on = self._on_disconnect == "continue"
        take_back = None if goes_on else caller.presence.when_gone(partial(_cancel, task))
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            if not (goes_on and caller.presence.gone):
                task.cancel()
            raise
        finally:
            if take_back is not None:
                take_back()
        if task.cancelled():
            raise self._stopped(execution_id)
        return task.result()

    def _stopped(self, execution_id: str | None = None) -> ExecutionCancelled:
        again = "Call again once AEL is back." if self._stopping else ""
        why = "AEL is shutting down" if self._stopping else "it was stopped from outside"
        return ExecutionCancelled(why, suggestion=again, retryable=self._stopping, execution_id=execution_id)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Nobody may be left to ask for it.
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, AelError):
            _log.error("a call failed by a defect of AEL", exc_info=error)

    async def finish(self) -> None:
        """Wait for what still runs when its callers have gone."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def stop(self) -> None:
        """Cancel what runs, and wait for its record."""
        self._stopping = True
        for task in tuple(self._tasks):
            task.cancel()
        await self.finish()


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
