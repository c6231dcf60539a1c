"""Runs a recorded execution again: same plan, inputs, seed and time; tools answer from the record.

Steps that never ended then are not started now, and a failure waits for what ended beside it, so that time decides
nothing. `Run` and `EmbeddedHost` do the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from ael.engine.embedded import EmbeddedHost
from ael.engine.engine import Engine, Request, Run, child_execution_id
from ael.engine.host import StepEnded, StepKey
from ael.errors import AelError, ErrorRecord, from_record
from ael.journal import events as ev
from ael.journal.events import Event
from ael.journal.fold import Execution, fold
from ael.journal.memory import MemoryJournal
from ael.plan import Plan
from ael.values import JSONValue
from ael.workflow.model import Step, StepId

_ENDS = (ev.StepSucceeded, ev.StepFailed, ev.StepSkipped)
#: What a replay may take, seconds: its code has limits of its own, and nothing else takes time.
_LONG = 30 * 24 * 3600.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay needs of one execution."""

    plan: Plan
    events: Sequence[Event]

    @property
    def start(self) -> ev.ExecutionStarted:
        """The first event."""
        first = self.events[0]
        assert isinstance(first, ev.ExecutionStarted)
        return first

    @property
    def cut_off(self) -> ev.ExecutionTimedOut | ev.ExecutionCancelled | None:
        """The end of an execution that something outside of its steps ended."""
        last = self.events[-1]
        return last if isinstance(last, ev.ExecutionTimedOut | ev.ExecutionCancelled) else None

    @property
    def has_ended(self) -> bool:
        """Whether the record has an end at all."""
        return isinstance(
            self.events[-1],
            ev.ExecutionSucceeded | ev.ExecutionFailed | ev.ExecutionTimedOut | ev.ExecutionCancelled,
        )


class Replays:
    """Makes the runs that repeat an execution and its children; `ended` grows as they end."""

    def __init__(self, records: Mapping[str, Record], *, changed: bool) -> None:
        """Take records by execution id, the root's first; `changed`: the root runs another definition."""
        self.records = records
        self.ended: dict[str, Execution] = {}
        self._changed = changed

    def make(self, engine: Engine, request: Request, _: object) -> Run:
        """Return what runs one of the executions; see `MakeRun`."""
        request = msgspec.structs.replace(request, timeout_seconds=_LONG)
        record = self.records.get(request.execution_id)
        if record is None or (self._changed and not request.depth):
            return _Changed(engine, request, self, record)
        return _Same(engine, request, self, record)


class _Changed(Run):
    """An execution of a definition that the record does not know, or not so."""

    def __init__(self, engine: Engine, request: Request, replays: Replays, record: Record | None) -> None:
        events = () if record is None else record.events
        # What has no time of its own has that of the root.
        at = next(iter(replays.records.values())).start.at
        host = _ReplayHost(request.execution_id, request.seed, events, at)
        super().__init__(engine, request, host, None, after_failure="finish")
        self._replays = replays

    async def to_the_end(self) -> Execution:
        """Run, and keep the result."""
        ended = await super().to_the_end()
        self._replays.ended[ended.execution_id] = ended
        return ended


class _Same(Run):
    """A recorded execution under way once more."""

    def __init__(self, engine: Engine, request: Request, replays: Replays, record: Record) -> None:
        ended = frozenset(StepId(event.step_id) for event in record.events if isinstance(event, _ENDS))
        host = _ReplayHost(request.execution_id, request.seed, record.events, record.start.at, is_same=True)
        super().__init__(engine, request, host, None, after_failure="drain", only=ended)
        self._replays = replays
        self._record = record

    async def to_the_end(self) -> Execution:
        """Run what ran, and keep the result."""
        ended = await self._to_its_end()
        self._replays.ended[ended.execution_id] = ended
        return ended

    async def _to_its_end(self) -> Execution:
        """Also of an execution that was cut off, which ends as it did."""
        if self._record.has_ended and self._record.cut_off is None:
            return await super().to_the_end()
        self._record_start()
        cut = self._record.cut_off
        async with self._code_session(), self.timer:
            await self.interpreter.run("steps")
            if cut is not None:
                self.scope.failed_with(cut.error)
                if isinstance(cut, ev.ExecutionTimedOut):
                    await self.interpreter.compensate()
                    await self.interpreter.run("on_failure")
                await self.interpreter.run("finally")
        if cut is not None:
            self.host.record(cut)
        return fold(self.request.execution_id, self.host.events)

    async def child_plan(self, child_id: str, reference: str) -> Plan:
        """Return the plan that the child ran."""
        record = self._replays.records.get(child_id)
        return await super().child_plan(child_id, reference) if record is None else record.plan

    async def run_child(
        self, step: Step, key: str, seed: int, reference: str, inputs: Mapping[str, JSONValue]
    ) -> JSONValue:
        """Run the child; where it was cut off, end as the attempt did that started it."""
        try:
            return await super().run_child(step, key, seed, reference, inputs)
        except AelError as error:
            child = self._replays.records.get(child_execution_id(self.request.execution_id, key))
            recorded = self._error_of(step, key)
            if child is None or child.cut_off is None or recorded is None:
                raise
            raise from_record(recorded) from error

    def _error_of(self, step: Step, key: str) -> ErrorRecord | None:
        """Return the recorded error of an attempt; `key` is step/item/attempt."""
        _, item, attempt = key.split("/")
        for event in self._record.events:
            if isinstance(event, ev.StepRetried | ev.StepFailed | ev.StepSkipped):
                place = ("" if event.index is None else str(event.index), str(event.attempt))
                if event.step_id == step.id and place == (item, attempt):
                    return event.error
        return None


class _ReplayHost(EmbeddedHost):
    """Gives the times of the record; waits for nothing."""

    def __init__(
        self, execution_id: str, seed: int, recorded: Sequence[Event], at: int, *, is_same: bool = False
    ) -> None:
        super().__init__(execution_id, MemoryJournal(), seed)
        self._at = at
        self._is_same = is_same
        self._recorded = {StepKey(event.step_id, event.index): event for event in recorded if isinstance(event, _ENDS)}
        self._readings = {
            (StepKey(event.step_id, event.index), event.attempt): event.clock.taken
            for event in recorded
            if isinstance(event, (*_ENDS, ev.StepRetried)) and event.clock.taken
        }
        self._starts = {
            (StepKey(event.step_id, event.index), event.attempt): event.at
            for event in recorded
            if isinstance(event, ev.StepStarted) and event.items is None
        }

    async def step(self, key: StepKey, run: Callable[[], Awaitable[StepEnded]]) -> StepEnded:
        recorded = self._recorded.get(key)
        if self._is_same and recorded is None:
            # An item that a failure of another kept from starting: it does not run now either.
            return ev.StepSkipped(at=self._at, step_id=key.step_id, index=key.index, reason="error")

        async def run_and_stamp() -> StepEnded:
            ended = await run()
            if recorded is None:
                return ended
            return msgspec.structs.replace(ended, at=recorded.at, duration_ms=recorded.duration_ms)

        return await super().step(key, run_and_stamp)

    async def sleep(self, until: int) -> None:
        pass

    def completed(self) -> Sequence[ev.StepSucceeded]:
        """Return the successes in the order of the record, where time decided it; others follow."""
        place = {key: number for number, key in enumerate(self._recorded)}
        found = super().completed()
        return sorted(found, key=lambda event: place.get(StepKey(event.step_id, event.index), len(place)))

    def now(self) -> int:
        return self._at

    def started(self, key: StepKey, attempt: int) -> int:
        return self._starts.get((key, attempt), self._at)

    def readings(self, key: StepKey, attempt: int) -> tuple[float, ...] | None:
        return self._readings.get((key, attempt))

    def elapsed(self) -> float:
        return 0.0
