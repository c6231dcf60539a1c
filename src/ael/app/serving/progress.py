"""How far an execution is, by its steps."""

from __future__ import annotations

from ael.app.serving.served import OnProgress
from ael.journal import events
from ael.journal.events import Event
from ael.workflow.model import Workflow

_ENDED = (events.StepSucceeded, events.StepFailed, events.StepSkipped)


class StepProgress:
    """Turns the events of one execution into progress: a step that ended counts one."""

    def __init__(self, execution_id: str, workflow: Workflow, on_progress: OnProgress) -> None:
        self._execution_id = execution_id
        self._on_progress = on_progress
        self._steps = {step.id for step in (*workflow.steps, *workflow.finally_)}
        self._done = 0

    def __call__(self, execution_id: str, event: Event) -> None:
        """See `OnEvent`."""
        if execution_id != self._execution_id or not isinstance(event, _ENDED) or event.index is not None:
            return
        if event.step_id not in self._steps:
            return
        self._done += 1
        word = {"StepSucceeded": "completed", "StepFailed": "failed"}.get(type(event).__name__, "skipped")
        self._on_progress(self._done, len(self._steps), f"step '{event.step_id}' {word}")
