"""Wait steps: a number of seconds, or until a moment."""

from __future__ import annotations

from datetime import UTC, datetime

from ael.errors import TemplateFailed
from ael.steps import StepContext, StepFailure, StepResult
from ael.values import JSONValue, iso
from ael.workflow.model import Step

#: Longest wait, one year of seconds; a longer one is a mistake in units.
_LONGEST = 366 * 24 * 3600.0


class WaitRunner:
    """Computes the due time and sleeps through the host."""

    async def run(self, step: Step, context: StepContext) -> StepResult:
        """Return `{"waited_until": …}` in ISO 8601; raises `StepFailure` for a value that is no time."""
        until = _due(step.id, context.values, context.host.now())
        await context.host.sleep(until)
        return StepResult(output={"waited_until": iso(until)})


def _due(step_id: str, values: object, now: int) -> int:
    """Return the due time in UTC milliseconds."""
    assert isinstance(values, dict)
    seconds: JSONValue = values.get("seconds")
    if seconds is not None:
        number = _number(seconds)
        if number is None or not 0 <= number <= _LONGEST:
            raise StepFailure(
                TemplateFailed(
                    f"wait.seconds of step '{step_id}' is {seconds!r}",
                    suggestion=f"Give a number of seconds between 0 and {_LONGEST:.0f}.",
                )
            )
        return now + int(number * 1000)
    until: JSONValue = values.get("until")
    try:
        moment = datetime.fromisoformat(str(until))
    except ValueError as error:
        raise StepFailure(
            TemplateFailed(
                f"wait.until of step '{step_id}' is {until!r}",
                suggestion="Give a time like 2030-01-31T09:00:00Z.",
            )
        ) from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def _number(value: JSONValue) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return None
