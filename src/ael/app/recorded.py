"""What the journal holds of one execution, taken apart: events, state, the plan it ran, its children's ids."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ael.app.application import App
from ael.app.secrets import recorded_secrets
from ael.engine.engine import child_execution_id
from ael.errors import JournalUnavailable
from ael.journal.events import Event, ExecutionStarted
from ael.journal.fold import Attempt, Execution, StepRun, fold
from ael.plan import Plan


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as it was recorded, secrets included."""

    execution_id: str
    start: ExecutionStarted
    events: list[Event]
    execution: Execution
    plan: Plan
    #: What readers mask.
    secrets: tuple[str, ...]

    def children(self) -> Iterator[str]:
        """Yield the ids that children of this execution have, where its workflow steps came to start them."""
        for step in self.execution.steps:
            for _, child_id in self.children_of(step):
                yield child_id

    def children_of(self, step: StepRun) -> Iterator[tuple[int | None, str]]:
        """Yield item and id of the children that a step came to start; item None for a step without items."""
        if step.kind != "workflow":
            return
        runs: list[tuple[int | None, list[Attempt]]] = [(None, step.attempts)]
        if step.items is not None:
            runs = [(item.index, item.attempts) for item in step.items]
        for index, attempts in runs:
            for attempt in attempts:
                key = f"{step.step_id}/{'' if index is None else index}/{attempt.number}"
                yield index, child_execution_id(self.execution_id, key)


async def read_recorded(app: App, execution_id: str) -> Recorded:
    """Return an execution; its id may be shortened. Raises `ExecutionNotFound`, `JournalUnavailable`."""
    full, events = await app.parts.journal().read(execution_id)
    start = events[0] if events else None
    if not isinstance(start, ExecutionStarted):
        raise JournalUnavailable(f"the record of '{full}' does not begin with its start")
    try:
        plan = msgspec.json.decode(bytes(start.definition), type=Plan)
    except msgspec.MsgspecError as error:
        raise JournalUnavailable(
            f"the workflow that '{full}' ran was recorded by another version of AEL: {error}",
            suggestion="Run it again with this version.",
        ) from error
    return Recorded(
        execution_id=full,
        start=start,
        events=events,
        execution=fold(full, events),
        plan=plan,
        secrets=recorded_secrets(events, app.settings.secrets),
    )
