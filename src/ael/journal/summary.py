"""One row of a listing, kept up to date as events are appended."""

from __future__ import annotations

from collections.abc import Sequence

from ael.journal import ExecutionSummary
from ael.journal import events as ev
from ael.journal.events import Event

_STATUS: dict[type, str] = {
    ev.ExecutionStarted: "running",
    ev.StepStarted: "running",
    ev.StepWaiting: "waiting",
    ev.ExecutionSucceeded: "completed",
    ev.ExecutionFailed: "failed",
    ev.ExecutionTimedOut: "timed_out",
    ev.ExecutionCancelled: "cancelled",
}


def status_after(event: Event) -> str | None:
    """Return the execution's status that an event brings, or None when it changes nothing."""
    return _STATUS.get(type(event))


def summarize(execution_id: str, events: Sequence[Event]) -> ExecutionSummary:
    """Return the row of an execution."""
    start, status, completed = events[0], "pending", None
    for event in events:
        status = status_after(event) or status
        if isinstance(event, ev.TERMINAL):
            completed = event.at
    assert isinstance(start, ev.ExecutionStarted)
    return ExecutionSummary(
        execution_id=execution_id,
        workflow=start.workflow,
        version=start.version,
        status=status,
        started_at=start.at,
        completed_at=completed,
        parent=start.parent,
        principal=start.principal,
    )
