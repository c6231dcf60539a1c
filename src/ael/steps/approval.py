"""Approval steps: they need an execution that survives a restart, which no host offers yet."""

from __future__ import annotations

from ael.errors import Problem, WorkflowInvalid
from ael.steps import StepContext, StepFailure, StepResult
from ael.workflow.model import Step


class ApprovalRunner:
    """Refuses: nobody could decide the request, and a step that nobody decides must not pass."""

    async def run(self, step: Step, context: StepContext) -> StepResult:
        """Raise `StepFailure`; approval is never assumed."""
        raise StepFailure(
            WorkflowInvalid(
                [
                    Problem(
                        message=f"step '{step.id}' asks for an approval, which this version of AEL cannot collect",
                        suggestion="Remove the step, or decide outside and pass the decision as an input.",
                    )
                ]
            )
        )
