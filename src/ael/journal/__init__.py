"""RECORD: what happened, once and for all.

    events   what can happen to an execution
    fold     events → Execution, the only way to know its state
    memory   a journal that lives as long as the process
    sqlite   a journal in one file that many processes may share
    repeats  large values that several events hold, written once there

Above stand engine and readers; a principal is a plain id here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from ael.journal.events import Event


class ExecutionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a listing; times are UTC milliseconds."""

    execution_id: str
    workflow: str
    version: str
    status: str
    started_at: int
    completed_at: int | None = None
    parent: str | None = None
    #: Who asked for it; empty where an older record does not say.
    principal: str = ""


class Journal(Protocol):
    """Keeps events in order, per execution."""

    async def append(self, execution_id: str, first: int, events: Sequence[Event]) -> None:
        """Record `events` as numbers `first`, `first + 1`, … of the execution, all or nothing.

        Returns when they are as durable as the journal's mode promises. Appends of one execution are made one
        after another. Raises `ExecutionConflict` when one of the numbers is taken (another process runs the
        execution) and `JournalUnavailable` when the store cannot take them.
        """
        ...

    async def read(self, execution_id: str) -> tuple[str, list[Event]]:
        """Return the whole id and all events in order; the id may be shortened while it is unique.

        Raises `ExecutionNotFound`.
        """
        ...

    async def summaries(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> list[ExecutionSummary]:
        """Return executions, newest first; `since` and `until` bound their start, in UTC milliseconds."""
        ...

    async def workflows(self) -> list[str]:
        """Return the names of all workflows that have an execution here, in order."""
        ...

    async def close(self) -> None:
        """Write what is pending and let go of the store."""
        ...
