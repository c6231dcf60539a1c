"""Events → Execution: the only way to know an execution's state. Pure and total: any prefix of a record folds.

`Execution` is never stored; every interface renders this one type, and its JSON is the documented form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, assert_never

import msgspec

from ael.errors import ErrorRecord
from ael.journal import events as ev
from ael.journal.events import Event
from ael.values import JSONValue, iso

ExecutionStatus = Literal["pending", "running", "waiting", "completed", "failed", "cancelled", "timed_out"]
StepStatus = Literal["pending", "running", "waiting", "completed", "failed", "skipped", "cancelled", "compensated"]


class Attempt(msgspec.Struct, kw_only=True):
    """One try of a step; times are ISO 8601 UTC."""

    number: int
    started_at: str
    duration_ms: float | None = None
    error: ErrorRecord | None = None


class ToolCallRecord(msgspec.Struct, kw_only=True):
    """One call of a tool by a step."""

    number: int
    tool: str
    resolved: str
    params: JSONValue = None
    result: JSONValue = None
    error: ErrorRecord | None = None
    duration_ms: float | None = None


class ItemRun(msgspec.Struct, kw_only=True):
    """One item of a `foreach` step."""

    index: int
    status: StepStatus = "pending"
    output: JSONValue = None
    error: ErrorRecord | None = None
    attempts: list[Attempt] = []
    duration_ms: float | None = None
    printed: str = ""
    inputs: JSONValue = None
    calls: list[ToolCallRecord] = []
    reason: str | None = None


class StepRun(msgspec.Struct, kw_only=True):
    """One step of an execution."""

    step_id: str
    kind: str
    status: StepStatus = "pending"
    #: Why it was skipped: `when` or `error`.
    reason: str | None = None
    attempts: list[Attempt] = []
    started_at: str | None = None
    duration_ms: float | None = None
    inputs: JSONValue = None
    output: JSONValue = None
    error: ErrorRecord | None = None
    #: The first tool that the step called.
    tool: str | None = None
    printed: str = ""
    calls: list[ToolCallRecord] = []
    #: Of a `foreach` step, in order.
    items: list[ItemRun] | None = None


class Execution(msgspec.Struct, kw_only=True):
    """One run of a workflow."""

    execution_id: str
    workflow_id: str = ""
    workflow_version: str = ""
    status: ExecutionStatus = "pending"
    started_at: str | None = None
    completed_at: str | None = None
    duration_ms: float | None = None
    inputs: dict[str, JSONValue] = {}
    outputs: JSONValue = None
    error: ErrorRecord | None = None
    steps: list[StepRun] = []
    steps_completed: int = 0
    steps_failed: int = 0
    steps_skipped: int = 0
    seed: int = 0
    principal: str = ""
    parent: str | None = None
    #: Sandbox layers that held, where code ran.
    sandbox: tuple[str, ...] = ()


def fold(execution_id: str, events: Sequence[Event]) -> Execution:
    """Return the execution that `events` describe."""
    state = _Fold(execution_id)
    for event in events:
        state.apply(event)
    return state.finished()


class _Fold:
    def __init__(self, execution_id: str) -> None:
        self.execution = Execution(execution_id=execution_id)
        self.steps: dict[str, StepRun] = {}
        self.started = 0
        #: When the attempt under way of a step or item began.
        self.begun: dict[tuple[str, int | None], int] = {}

    def apply(self, event: Event) -> None:
        # Nearly all are about a step.
        if isinstance(event, ev.StepEvent):
            self._step(event)
        elif isinstance(event, ev.ExecutionStarted):
            self._start(event)
        else:
            self._end(event)

    def _start(self, event: ev.ExecutionStarted) -> None:
        run = self.execution
        run.workflow_id, run.workflow_version = event.workflow, event.version
        run.status, run.started_at, run.inputs = "running", iso(event.at), event.inputs
        run.seed, run.principal, run.parent = event.seed, event.principal, event.parent
        self.started = event.at
        for step_id, kind in event.steps:
            self.steps[step_id] = StepRun(step_id=step_id, kind=kind, attempts=[], calls=[])

    def _end(
        self, event: ev.ExecutionSucceeded | ev.ExecutionFailed | ev.ExecutionTimedOut | ev.ExecutionCancelled
    ) -> None:
        run = self.execution
        run.completed_at, run.duration_ms, run.sandbox = iso(event.at), float(event.at - self.started), event.sandbox
        match event:
            case ev.ExecutionSucceeded():
                run.status, run.outputs = "completed", event.outputs
            case ev.ExecutionFailed():
                run.status, run.error = "failed", event.error
            case ev.ExecutionTimedOut():
                run.status, run.error = "timed_out", event.error
            case ev.ExecutionCancelled():
                run.status, run.error = "cancelled", event.error

    def _step(
        self,
        event: ev.StepStarted
        | ev.ToolCalled
        | ev.ToolReturned
        | ev.StepRetried
        | ev.StepSucceeded
        | ev.StepFailed
        | ev.StepSkipped
        | ev.StepCancelled
        | ev.StepCompensated
        | ev.StepWaiting,
    ) -> None:
        step = self.steps.get(event.step_id)
        if step is None:
            step = self.steps[event.step_id] = StepRun(step_id=event.step_id, kind="", attempts=[], calls=[])
        run: StepRun | ItemRun = step if event.index is None else _item(step, event.index)
        match event:
            case ev.StepStarted():
                self._step_started(step, run, event)
            case ev.StepSucceeded():
                run.output = event.output
                self._end_step(run, "completed", event, None)
            case ev.ToolCalled():
                step.tool = step.tool or event.tool
                run.calls.append(
                    ToolCallRecord(number=event.call, tool=event.tool, resolved=event.resolved, params=event.params)
                )
            case ev.ToolReturned():
                _returned(run, event)
            case ev.StepRetried():
                self._close_attempt(run, event, event.error)
                run.printed += event.printed
            case ev.StepFailed():
                self._end_step(run, "failed", event, event.error)
            case ev.StepSkipped():
                run.reason = event.reason
                self._end_step(run, "skipped", event, event.error)
            case ev.StepCancelled():
                run.status, run.duration_ms = "cancelled", event.duration_ms
            case ev.StepCompensated():
                # A `foreach` that failed stays so, though what its items did was undone.
                run.status = "compensated" if run.status == "completed" else run.status
            case ev.StepWaiting():
                run.status = "waiting"
                self.execution.status = "waiting"
            case _:
                assert_never(event)

    def _step_started(self, step: StepRun, run: StepRun | ItemRun, event: ev.StepStarted) -> None:
        run.status = "running"
        self.execution.status = "running"
        step.started_at = step.started_at or iso(event.at)
        run.inputs = event.inputs
        if event.items is not None:
            step.items = [ItemRun(index=index, attempts=[], calls=[]) for index in range(event.items)]
        else:
            run.attempts.append(Attempt(number=event.attempt, started_at=iso(event.at)))
            self.begun[event.step_id, event.index] = event.at

    def _end_step(
        self,
        run: StepRun | ItemRun,
        status: StepStatus,
        event: ev.StepSucceeded | ev.StepFailed | ev.StepSkipped,
        error: ErrorRecord | None,
    ) -> None:
        run.status, run.error, run.duration_ms = status, error, event.duration_ms
        run.printed += event.printed
        self._close_attempt(run, event, error)

    def _close_attempt(
        self,
        run: StepRun | ItemRun,
        event: ev.StepSucceeded | ev.StepFailed | ev.StepSkipped | ev.StepRetried,
        error: ErrorRecord | None,
    ) -> None:
        begun = self.begun.pop((event.step_id, event.index), None)
        if begun is not None and run.attempts:
            attempt = run.attempts[-1]
            attempt.error, attempt.duration_ms = error, float(max(0, event.at - begun))

    def finished(self) -> Execution:
        run = self.execution
        # What undoes a step is told of only where it came to that, and is none of the steps that are counted.
        run.steps = [step for step in self.steps.values() if step.status != "pending" or "." not in step.step_id]
        statuses = [step.status for step in run.steps if "." not in step.step_id]
        run.steps_completed = statuses.count("completed")
        run.steps_failed = statuses.count("failed")
        run.steps_skipped = statuses.count("skipped")
        return run


def _item(step: StepRun, index: int) -> ItemRun:
    if step.items is None:
        step.items = []
    while len(step.items) <= index:
        step.items.append(ItemRun(index=len(step.items), attempts=[], calls=[]))
    return step.items[index]


def _returned(run: StepRun | ItemRun, event: ev.ToolReturned) -> None:
    for call in reversed(run.calls):
        if call.number == event.call and call.duration_ms is None:
            call.result, call.error, call.duration_ms = event.result, event.error, event.duration_ms
            return
