"""Tool steps: one call through the gateway."""

from __future__ import annotations

from ael.errors import AelError
from ael.steps import StepContext, StepFailure, StepResult
from ael.workflow.model import Step, ToolStep


class ToolRunner:
    """Calls the tool that the step names with its rendered parameters."""

    async def run(self, step: Step, context: StepContext) -> StepResult:
        """Return the tool's data as the output; raises `StepFailure`."""
        assert isinstance(step, ToolStep)
        try:
            return StepResult(output=await context.call_tool(step.tool, dict(context.values), context.call))
        except AelError as error:
            raise StepFailure(error) from error
