"""What the interpreter asks of its surroundings.

The interpreter is deterministic: time, randomness, records and sleep come from a `Host`. Steps are memoized by id
and item, never by position, so that replay does not depend on how parallel steps interleaved.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from ael.journal.events import Event, StepFailed, StepSkipped, StepSucceeded
from ael.steps import Decision

#: How a step or an item of it ended; the event that records it.
StepEnded: TypeAlias = StepSucceeded | StepFailed | StepSkipped


class StepKey(msgspec.Struct, frozen=True, gc=False):
    """A step, or one item of a `foreach` step."""

    step_id: str
    index: int | None = None


class Host(Protocol):
    """The surroundings of one execution."""

    @property
    def execution_id(self) -> str:
        """The id of the execution."""
        ...

    async def step(self, key: StepKey, run: Callable[[], Awaitable[StepEnded]]) -> StepEnded:
        """Return how the step ended, running it only where the record does not know already.

        What ended before is as durable as the journal's mode promises before it runs; its own end is soon, and at
        the latest before another step runs or the execution ends. Raises `JournalUnavailable` or `ExecutionConflict`.
        """
        ...

    def record(self, event: Event) -> None:
        """Add an event; it becomes durable with the next step's end, or by `commit`."""
        ...

    async def commit(self) -> None:
        """Return when all that was recorded is durable."""
        ...

    async def sleep(self, until: int) -> None:
        """Return at `until`, UTC milliseconds."""
        ...

    async def decision(self, key: StepKey, deadline: int | None) -> Decision | None:
        """Return what was decided about an approval, None when nobody did until `deadline` (UTC milliseconds)."""
        ...

    def now(self) -> int:
        """Return the time, UTC milliseconds."""
        ...

    def completed(self) -> Sequence[StepSucceeded]:
        """Return the successes of steps and items so far, in the order in which they happened."""
        ...

    def started(self, key: StepKey, attempt: int) -> int:
        """Return the time at which an attempt starts, UTC milliseconds; it is recorded, and code reads it."""
        ...

    def readings(self, key: StepKey, attempt: int) -> tuple[float, ...] | None:
        """Return what the code of an attempt reads from the real clock; None: whatever the clock says."""
        ...

    def elapsed(self) -> float:
        """Return a monotonic time in milliseconds, for durations."""
        ...

    def random_seed(self) -> int:
        """Return the execution's seed, recorded once."""
        ...
