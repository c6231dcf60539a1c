"""Code steps: one block in the sandbox, its tool calls through the gateway."""

from __future__ import annotations

from ael.errors import AelError, InternalError, Location
from ael.journal.events import NO_READINGS, ClockReadings
from ael.sandbox.contract import CodeFailure, CodeRequest, CodeResult
from ael.steps import StepContext, StepFailure, StepResult
from ael.values import JSONValue
from ael.workflow.model import Step


class CodeRunner:
    """Runs a compiled block with its templates bound as values."""

    async def run(self, step: Step, context: StepContext) -> StepResult:
        """Return what the block returned; raises `StepFailure` with the line of the file where it is known."""
        assert context.code is not None
        assert context.session is not None
        assert context.code_scope is not None

        async def call_tool(name: str, params: dict[str, JSONValue]) -> JSONValue:
            return await context.call_tool(name, params, context.call)

        request = CodeRequest(
            blob=context.code.blob,
            bindings=context.values,
            inputs=context.code_scope.inputs,
            absent=context.code_scope.absent,
            steps=context.code_scope.steps,
            item=context.code_scope.item,
            execution_id=context.execution_id,
            seed=context.seed,
            clock=context.clock,
            readings=context.readings,
            limits=context.limits,
        )
        try:
            done = await context.session.run(request, call_tool)
        except CodeFailure as failure:
            error = failure.error
            if not isinstance(error, AelError):
                raise StepFailure(InternalError(str(error)), failure.printed) from failure
            if failure.line is not None and error.location is None:
                line = context.code.line_in_file(failure.line)
                error.location = Location(file=context.code.file, line=line, column=1)
            clock = _readings(failure)
            raise StepFailure(error, failure.printed, clock) from failure
        except AelError as error:
            raise StepFailure(error) from error
        return StepResult(output=done.result, printed=done.printed, clock=_readings(done))


def _readings(done: CodeResult | CodeFailure) -> ClockReadings:
    if not done.readings and not done.clock_lost:
        return NO_READINGS
    return ClockReadings(taken=done.readings, lost=done.clock_lost)
