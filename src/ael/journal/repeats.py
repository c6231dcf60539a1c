"""Large values that several events of an execution hold, written once.

The answer of a tool is the output of its step, and often that of the execution. In a row, an event that holds what an
earlier one holds has nothing in its place; `Repeated`, after the events of the row, says whose it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ael.journal.events import (
    Event,
    ExecutionStarted,
    ExecutionSucceeded,
    StepStarted,
    StepSucceeded,
    ToolCalled,
    ToolReturned,
)
from ael.values import JSONValue, bulk

#: The field of an event that may hold a large value.
_FIELDS: dict[type, str] = {
    ExecutionStarted: "inputs",
    StepStarted: "inputs",
    ToolCalled: "params",
    ToolReturned: "result",
    StepSucceeded: "output",
    ExecutionSucceeded: "outputs",
}

#: Parameters are copied on their way to a tool, with what is in them: an object of so few keys is known by these.
_FEW = 64


class Repeated(msgspec.Struct, frozen=True, tag=True, tag_field="event"):
    """Whose values the events of a row have: numbers of events, each with that of an earlier one."""

    values: tuple[tuple[int, int], ...]


class Repeats:
    """The large values of the executions that run, each with the first event that holds it."""

    def __init__(self) -> None:
        self._known: dict[str, dict[object, tuple[JSONValue, int]]] = {}

    def leave_out(
        self, execution_id: str, first: int, events: Sequence[Event]
    ) -> tuple[Sequence[Event | Repeated], bool]:
        """Return what is written for events from number `first` on, and whether some of it is large."""
        large = {number for number, event in enumerate(events, first) if _is_large(event)}
        if not large:
            return events, False
        written: list[Event | Repeated] = []
        repeated: list[tuple[int, int]] = []
        has_large = False
        for number, event in enumerate(events, first):
            if number not in large:
                written.append(event)
                continue
            field = _FIELDS[type(event)]
            value = getattr(event, field)
            _, earlier = self._known.setdefault(execution_id, {}).setdefault(_identity(value), (value, number))
            if earlier == number:
                written.append(event)
                has_large = True
            else:
                written.append(_with(event, field, {} if isinstance(event, ExecutionStarted) else None))
                repeated.append((number, earlier))
        if not repeated:
            return events, has_large
        return [*written, Repeated(tuple(repeated))], has_large

    def forget(self, execution_id: str) -> None:
        """Let go of the values of an execution that has ended."""
        self._known.pop(execution_id, None)


def put_back(events: list[Event], row: Sequence[Event | Repeated]) -> None:
    """Add the events of a row to those before it, with the values that they repeat; raises `LookupError`."""
    for one in row:
        if not isinstance(one, Repeated):
            events.append(one)
            continue
        for number, earlier in one.values:
            source, target = events[earlier], events[number]
            events[number] = _with(target, _FIELDS[type(target)], getattr(source, _FIELDS[type(source)]))


def _is_large(event: Event) -> bool:
    field = _FIELDS.get(type(event))
    return field is not None and bulk.is_large(getattr(event, field))


def _identity(value: JSONValue) -> object:
    """Return what tells a value from others while it lives."""
    if isinstance(value, dict) and len(value) <= _FEW:
        return tuple((key, id(one)) for key, one in value.items())
    return id(value)


def _with(event: Event, field: str, value: Any) -> Event:  # noqa: ANN401 # of the field
    return msgspec.structs.replace(event, **{field: value})
