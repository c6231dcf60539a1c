"""Whether and when to try again: pure decisions (spec: after a failure)."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from ael.errors import AelError
from ael.workflow.model import OnError, RetryPolicy, Step, Workflow

#: `retry_on: [STEP_TIMEOUT]` means every time limit of a step.
_TIMEOUTS = frozenset({"STEP_TIMEOUT", "TOOL_TIMEOUT", "CODE_TIMEOUT"})

#: What holds where neither step, workflow nor configuration says otherwise.
BUILT_IN = RetryPolicy(
    max_attempts=3,
    initial_delay=1.0,
    max_delay=30.0,
    backoff_multiplier=2.0,
    jitter=0.0,
    backoff="exponential",
    retry_on=(),
    on_exhausted="fail",
)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What to do when an attempt of one step fails; every level merged."""

    on_error: OnError
    retry: RetryPolicy

    def delay(self, error: AelError, attempt: int, seed: int) -> float | None:
        """Return the seconds before the next attempt, or None when this one was the last.

        `attempt` counts from 1; `seed` decides the jitter. A server that asks to wait is given its time, up to the
        longest delay.
        """
        retry = self.retry
        if self.on_error != "retry" or attempt >= (retry.max_attempts or 1) or not self._retryable(error):
            return None
        initial, longest = retry.initial_delay or 0.0, retry.max_delay or 0.0
        match retry.backoff:
            case "fixed":
                delay = initial
            case "linear":
                delay = initial * attempt
            case _:
                delay = initial * (retry.backoff_multiplier or 1.0) ** min(attempt - 1, 64)
        jitter = (retry.jitter or 0.0) * delay * _fraction(seed, attempt)
        return min(longest, max(delay + jitter, error.retry_after or 0.0))

    def after(self) -> Literal["fail", "continue"]:
        """Return what the last failure means."""
        if self.on_error == "retry":
            return self.retry.on_exhausted or "fail"
        return "continue" if self.on_error == "continue" else "fail"

    def _retryable(self, error: AelError) -> bool:
        wanted = self.retry.retry_on or ()
        if error.code in wanted or (error.code in _TIMEOUTS and "STEP_TIMEOUT" in wanted):
            return True
        return error.retryable


def policy_of(step: Step, workflow: Workflow, configured: RetryPolicy) -> Policy:
    """Merge the step's and the workflow's words into `configured`, which states every key."""
    if step.on_error is not None:
        on_error: OnError = step.on_error
    elif step.retry is not None:
        on_error = "retry"
    else:
        on_error = workflow.defaults.on_error or "fail"
    return Policy(on_error=on_error, retry=retry_of(configured, workflow.defaults.retry, step.retry))


def retry_of(base: RetryPolicy, *levels: RetryPolicy | None) -> RetryPolicy:
    """Return `base` with what each level states, later levels last."""
    merged = base
    for level in levels:
        if level is not None:
            stated = {
                field: value for field in RetryPolicy.__struct_fields__ if (value := getattr(level, field)) is not None
            }
            merged = msgspec.structs.replace(merged, **stated)
    return merged


def _fraction(seed: int, attempt: int) -> float:
    """Return a number in [0, 1) that depends on seed and attempt alone."""
    digest = hashlib.blake2b(f"{seed}/{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
