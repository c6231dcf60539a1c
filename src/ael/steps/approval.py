"""Approval steps: a person decides; the host collects the decision."""

from __future__ import annotations

from ael.errors import AelError, ApprovalExpired, ApprovalRejected, OutputInvalid, Problem
from ael.steps import Decision, StepContext, StepFailure, StepResult
from ael.values import JSONValue, beginning, iso
from ael.workflow.model import ApprovalStep, Step


class ApprovalRunner:
    """Waits for a decision and holds to it; approval is never assumed but where the file says `on_timeout: approve`."""

    async def run(self, step: Step, context: StepContext) -> StepResult:
        """Return `{approved, by, at, comment, choice}`; raises `StepFailure`."""
        assert isinstance(step, ApprovalStep)
        now = context.host.now()
        deadline = None if step.expires_after is None else now + int(step.expires_after * 1000)
        try:
            decision = await context.host.decision(deadline)
            if decision is None:
                decision = _expired(step, str(context.values["message"]), now if deadline is None else deadline)
            return StepResult(output=_output(step, decision))
        except AelError as error:
            raise StepFailure(error) from error


def _expired(step: ApprovalStep, message: str, at: int) -> Decision:
    if step.on_timeout == "fail":
        raise ApprovalExpired(f"nobody decided in time: {beginning(message, 200)}", step_id=step.id)
    return Decision(approved=step.on_timeout == "approve", by="timeout", at=at, comment="nobody decided in time")


def _output(step: ApprovalStep, decision: Decision) -> JSONValue:
    if not decision.approved:
        said = f": {decision.comment}" if decision.comment else ""
        raise ApprovalRejected(f"rejected by {decision.by}{said}", step_id=step.id)
    if decision.choice is not None and decision.choice not in step.choices:
        listed = ", ".join(step.choices) or "none"
        raise OutputInvalid(f"the choice '{decision.choice}' is not one of the step's: {listed}", step_id=step.id)
    return {
        "approved": True,
        "by": decision.by,
        "at": iso(decision.at),
        "comment": decision.comment,
        "choice": decision.choice,
    }


def unanswered(step_id: str, why: str, suggestion: str) -> Problem:
    """Return the problem of an approval that nobody can be asked for."""
    return Problem(message=f"step '{step_id}' asks for an approval: {why}", suggestion=suggestion)
