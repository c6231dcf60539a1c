"""The host of a test: time stands still, nothing is waited for, approvals are answered from a script."""

from __future__ import annotations

from collections.abc import Mapping

from ael.engine.embedded import EmbeddedHost, OnEvent
from ael.engine.host import StepKey
from ael.errors import WorkflowInvalid
from ael.journal import Journal
from ael.steps import Decision
from ael.steps.approval import unanswered


class FixedHost(EmbeddedHost):
    """Implements `Host` for an execution that two runs repeat byte for byte."""

    def __init__(
        self,
        execution_id: str,
        journal: Journal,
        seed: int,
        on_event: OnEvent | None,
        *,
        at: int,
        decisions: Mapping[str, Decision | None],
    ) -> None:
        """Stand at `at` (UTC milliseconds); `decisions` are those of approval steps, None for one that expires."""
        super().__init__(execution_id, journal, seed, on_event)
        self._at = at
        self._decisions = decisions

    async def sleep(self, until: int) -> None:
        """Return at once: nobody waits in a test."""

    def now(self) -> int:
        """See `Host.now`."""
        return self._at

    def elapsed(self) -> float:
        """See `Host.elapsed`."""
        return 0.0

    async def decision(self, key: StepKey, deadline: int | None) -> Decision | None:
        """See `Host.decision`; raises `WorkflowInvalid` for a step that the script does not know."""
        if key.step_id not in self._decisions:
            hint = f"Add it to the test's mocks: `approvals: {{{key.step_id}: approve}}`."
            raise WorkflowInvalid([unanswered(key.step_id, "the test answers no approval of it", hint)])
        return self._decisions[key.step_id]
