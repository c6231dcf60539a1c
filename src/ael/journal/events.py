"""What happens to an execution, in the past tense. `Execution` is the fold of these (see `fold`).

Events are frozen, versioned by tag, and carry UTC milliseconds. They hold whole values, secrets included; masking
is the duty of every reader and sealing that of the store.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ael.errors import ErrorRecord
from ael.values import JSONValue


# JSON and records hold no cycles, so the collector need not look at any of these (`gc=False`).
class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", gc=False):
    #: UTC, milliseconds since the epoch.
    at: int


class StepEvent(_Event, frozen=True, kw_only=True, gc=False):
    """What happens to a step, or to an item of it."""

    step_id: str
    #: Index of the `foreach` item, None for the step itself.
    index: int | None = None


class ExecutionStarted(_Event, tag=True, frozen=True, kw_only=True, gc=False):
    """An execution began: what it runs, with what."""

    workflow: str
    version: str
    #: Digest and JSON of the plan, which is what resume and replay run.
    definition_digest: str
    definition: msgspec.Raw = msgspec.Raw(b"null")
    inputs: dict[str, JSONValue]
    seed: int
    principal: str = "local"
    parent: str | None = None
    #: The step of the parent that started this one.
    parent_step: str | None = None
    #: (id, kind) of every step in file order, so that the fold knows steps that never started.
    steps: tuple[tuple[str, str], ...] = ()
    #: Values that every reader masks.
    secrets: tuple[str, ...] = ()
    #: What templates read as `env.NAME`.
    env: dict[str, str] = {}


class StepStarted(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """An attempt of a step began."""

    attempt: int = 1
    #: What the step runs with after rendering: a tool's parameters, a code block's bindings.
    inputs: JSONValue = None
    #: Number of items, on the event of a `foreach` step itself.
    items: int | None = None


class ToolCalled(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """A tool is about to be called."""

    attempt: int = 1
    #: Counts the calls of one attempt from 1; the idempotency key is execution/step/item/call.
    call: int
    #: As the workflow names it.
    tool: str
    #: As the catalog resolved it, `server__tool`.
    resolved: str = ""
    params: JSONValue = None


class ToolReturned(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """A tool answered, or failed."""

    attempt: int = 1
    call: int
    tool: str
    duration_ms: float
    result: JSONValue = None
    error: ErrorRecord | None = None


class ClockReadings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What code of one attempt read from the real clock (`python_exec.clock: real`), UTC seconds, in order."""

    taken: tuple[float, ...] = ()
    #: There were more than are kept, so a replay cannot give them again.
    lost: bool = False


#: Of an attempt that read no real clock; the one instance, so that it is left out of what is encoded.
NO_READINGS = ClockReadings()


class StepRetried(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """An attempt failed and another follows after `delay_seconds`."""

    attempt: int
    error: ErrorRecord
    delay_seconds: float
    printed: str = ""
    clock: ClockReadings = NO_READINGS


class StepSucceeded(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """A step, or an item of it, gave its output."""

    attempt: int = 1
    output: JSONValue = None
    printed: str = ""
    clock: ClockReadings = NO_READINGS
    duration_ms: float = 0.0


class StepFailed(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """A step, or an item of it, failed for good."""

    attempt: int = 1
    error: ErrorRecord
    printed: str = ""
    clock: ClockReadings = NO_READINGS
    duration_ms: float = 0.0


class StepSkipped(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """`when` was false, or the step failed under `on_error: continue` (then `error` says how)."""

    reason: Literal["when", "error"]
    attempt: int = 0
    error: ErrorRecord | None = None
    printed: str = ""
    clock: ClockReadings = NO_READINGS
    duration_ms: float = 0.0


class StepCancelled(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """A step was stopped before it ended."""

    attempt: int = 1
    duration_ms: float = 0.0


class StepCompensated(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """A completed step was undone; what undid it has events of its own."""


class StepWaiting(StepEvent, tag=True, frozen=True, kw_only=True, gc=False):
    """A step waits on purpose, holding nothing."""

    #: UTC milliseconds; None waits for a signal.
    until: int | None = None


class _ExecutionEnded(_Event, frozen=True, kw_only=True, gc=False):
    #: Layers of the sandbox that held, where code ran.
    sandbox: tuple[str, ...] = ()


class ExecutionSucceeded(_ExecutionEnded, tag=True, frozen=True, kw_only=True, gc=False):
    """The execution gave its result."""

    outputs: JSONValue


class ExecutionFailed(_ExecutionEnded, tag=True, frozen=True, kw_only=True, gc=False):
    """The execution failed."""

    error: ErrorRecord


class ExecutionTimedOut(_ExecutionEnded, tag=True, frozen=True, kw_only=True, gc=False):
    """The execution took longer than its limit."""

    error: ErrorRecord


class ExecutionCancelled(_ExecutionEnded, tag=True, frozen=True, kw_only=True, gc=False):
    """The execution was stopped from outside."""

    error: ErrorRecord


Event: TypeAlias = (
    ExecutionStarted
    | StepStarted
    | ToolCalled
    | ToolReturned
    | StepRetried
    | StepSucceeded
    | StepFailed
    | StepSkipped
    | StepCancelled
    | StepCompensated
    | StepWaiting
    | ExecutionSucceeded
    | ExecutionFailed
    | ExecutionTimedOut
    | ExecutionCancelled
)

#: Events after which nothing follows.
TERMINAL = (ExecutionSucceeded, ExecutionFailed, ExecutionTimedOut, ExecutionCancelled)
