"""A journal that lives as long as the process: durability `off`, and tests."""

from __future__ import annotations

from collections.abc import Sequence

from ael.errors import ExecutionConflict, ExecutionNotFound
from ael.journal import ExecutionSummary
from ael.journal.events import Event
from ael.journal.summary import summarize


class MemoryJournal:
    """Implements `Journal`."""

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = {}

    async def append(self, execution_id: str, first: int, events: Sequence[Event]) -> None:
        """See `Journal.append`."""
        known = self._events.setdefault(execution_id, [])
        if len(known) != first:
            raise ExecutionConflict(f"event {first} of '{execution_id}' is taken, or one before it is missing")
        known.extend(events)

    async def read(self, execution_id: str) -> tuple[str, list[Event]]:
        """See `Journal.read`."""
        found = whole_id(execution_id, [name for name in self._events if name.startswith(execution_id)])
        return found, list(self._events[found])

    async def summaries(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> list[ExecutionSummary]:
        """See `Journal.summaries`."""
        made = [summarize(name, events) for name, events in self._events.items()]
        wanted = [
            one
            for one in made
            if status in {None, one.status}
            and workflow in {None, one.workflow}
            and (since is None or one.started_at >= since)
            and (until is None or one.started_at < until)
        ]
        return sorted(wanted, key=lambda one: (-one.started_at, one.execution_id))[:limit]

    async def workflows(self) -> list[str]:
        """See `Journal.workflows`."""
        return sorted({summarize(name, events).workflow for name, events in self._events.items()})

    async def close(self) -> None:
        """See `Journal.close`."""


#: Characters of an id; nothing longer is looked for.
LONGEST_ID = 200


def whole_id(given: str, candidates: Sequence[str]) -> str:
    """Return the one candidate that `given` means; raises `ExecutionNotFound`."""
    if given in candidates:
        return given
    if len(candidates) == 1 and given:
        return candidates[0]
    detail = f"'{given}' could be {', '.join(sorted(candidates)[:5])}" if candidates and given else "no such record"
    hint = "Give more of the id." if candidates and given else "`ael executions list` shows what is known."
    raise ExecutionNotFound(detail, suggestion=hint, execution_id=given)
