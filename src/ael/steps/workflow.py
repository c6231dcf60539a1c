"""Workflow steps: another workflow as a child execution with its own id and trace."""

from __future__ import annotations

import asyncio

from ael.errors import AelError, StepTimeout
from ael.steps import StepContext, StepFailure, StepResult
from ael.workflow.model import Step, WorkflowStep


class WorkflowRunner:
    """Runs the child through the host, so that this room needs no engine."""

    async def run(self, step: Step, context: StepContext) -> StepResult:
        """Return the child's outputs; raises `StepFailure` with the child's error."""
        assert isinstance(step, WorkflowStep)
        try:
            async with asyncio.timeout(context.timeout_seconds):
                return StepResult(output=await context.host.run_child(step.workflow, context.values))
        except TimeoutError as expired:
            raise StepFailure(StepTimeout(step_id=step.id, timeout_seconds=context.timeout_seconds)) from expired
        except AelError as error:
            raise StepFailure(error) from error
