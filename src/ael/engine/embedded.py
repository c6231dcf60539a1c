"""The host in this process: events go to a journal, time is the machine's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from ael.engine.host import StepEnded, StepKey
from ael.errors import AelError, WorkflowInvalid
from ael.journal import Journal
from ael.journal.events import Event, StepCancelled, StepSucceeded
from ael.steps import Decision
from ael.steps.approval import unanswered

#: Told of every event as it is recorded, before it is durable: (execution id, event).
OnEvent = Callable[[str, Event], None]

#: Seconds after which events are written though nobody waits for them: others shall see what runs.
_LATEST = 0.25


class EmbeddedHost:
    """Records one execution.

    Events gather until someone waits for them, but not for long: the end of one step and the start of the next share
    a commit. At most one append is under way, so numbers never overtake each other.
    """

    def __init__(self, execution_id: str, journal: Journal, seed: int, on_event: OnEvent | None = None) -> None:
        self._execution_id = execution_id
        self._journal = journal
        self._seed = seed
        self._on_event = on_event
        self._waiting: list[Event] = []
        self._submitted = 0
        self._durable = 0
        self._failure: AelError | None = None
        self._is_appending = False
        #: Done when the append under way is; made when somebody waits for it.
        self._appended: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.Task[None] | None = None
        #: Number of events up to the last end of a step.
        self._last_end = 0
        self._background: asyncio.Task[None] | None = None
        #: All events so far, for the fold at the end.
        self.events: list[Event] = []
        self._ended: dict[StepKey, StepEnded] = {}

    @property
    def execution_id(self) -> str:
        """The id of the execution."""
        return self._execution_id

    async def step(self, key: StepKey, run: Callable[[], Awaitable[StepEnded]]) -> StepEnded:
        """See `Host.step`."""
        known = self._ended.get(key)
        if known is not None:
            return known
        if self._durable < self._last_end:
            # What ended before is on disk before this one starts.
            await self.commit()
        begun = self.elapsed()
        try:
            ended = await run()
        except asyncio.CancelledError:
            duration = self.elapsed() - begun
            self.record(StepCancelled(at=self.now(), step_id=key.step_id, index=key.index, duration_ms=duration))
            raise
        self.record(ended)
        self._ended[key] = ended
        # Not now: what comes right after, the end of the execution most of all, goes into the same append.
        self._last_end = len(self.events)
        asyncio.get_running_loop().call_soon(self._commit_ends)
        return ended

    def _commit_ends(self) -> None:
        """Begin an append of what ended, for a step that others run beside or that nothing follows soon."""
        if self._submitted < self._last_end and self._failure is None:
            self._background = asyncio.get_running_loop().create_task(self._commit_quietly())

    async def _commit_quietly(self) -> None:
        try:
            await self.commit()
        except AelError:
            # Kept: whoever commits next raises it, and every execution commits at its end.
            assert self._failure is not None

    def record(self, event: Event) -> None:
        """See `Host.record`."""
        self.events.append(event)
        self._waiting.append(event)
        if self._on_event is not None:
            self._on_event(self._execution_id, event)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATEST, self._start_late)

    def _start_late(self) -> None:
        self._timer = None
        if self._durable < len(self.events):
            self._late = asyncio.get_running_loop().create_task(self._commit_late())

    async def _commit_late(self) -> None:
        # A failure is kept, and raised to whoever commits next.
        with suppress(AelError):
            await self.commit()

    async def commit(self) -> None:
        """See `Host.commit`; raises what the journal raised, now and ever after."""
        target = len(self.events)
        while self._failure is None and self._durable < target:
            if self._is_appending:
                if self._appended is None:
                    self._appended = asyncio.get_running_loop().create_future()
                await asyncio.wait((self._appended,))
            else:
                await self._flush()
        if self._failure is not None:
            raise self._failure

    async def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        first, self._submitted = self._submitted, self._submitted + len(batch)
        self._is_appending = True
        try:
            await self._journal.append(self._execution_id, first, batch)
        except AelError as error:
            self._failure = error
        finally:
            # One that was cancelled is on its way: the journal takes appends in order.
            self._durable = self._submitted
            self._is_appending = False
            if self._appended is not None:
                self._appended.set_result(None)
                self._appended = None

    async def sleep(self, until: int) -> None:
        """See `Host.sleep`."""
        delay = (until - self.now()) / 1000
        if delay > 0:
            await asyncio.sleep(delay)

    async def decision(self, key: StepKey, deadline: int | None) -> Decision | None:
        """Raise `WorkflowInvalid`: this host outlives no restart, and a request that is lost must not pass."""
        hint = "Remove the step, or decide outside and pass the decision as an input."
        raise WorkflowInvalid([unanswered(key.step_id, "this version of AEL cannot collect one", hint)])

    def now(self) -> int:
        """See `Host.now`."""
        return time.time_ns() // 1_000_000

    def completed(self) -> Sequence[StepSucceeded]:
        """See `Host.completed`."""
        return [event for event in self.events if isinstance(event, StepSucceeded)]

    def started(self, key: StepKey, attempt: int) -> int:
        """See `Host.started`."""
        return self.now()

    def readings(self, key: StepKey, attempt: int) -> tuple[float, ...] | None:
        """See `Host.readings`."""
        return None

    def elapsed(self) -> float:
        """See `Host.elapsed`."""
        return time.perf_counter_ns() / 1_000_000

    def random_seed(self) -> int:
        """See `Host.random_seed`."""
        return self._seed
