"""STEP KINDS: what one attempt of a step does; one module per kind.

    tool      call a tool through the gateway
    code      run Python in the sandbox
    workflow  run another workflow as a child execution
    approval  ask a person
    wait      let time pass

A runner knows nothing of order, retries, conditions or records: the engine above does. What a runner needs of an
execution it finds in its `StepContext`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import msgspec

from ael.errors import AelError
from ael.journal.events import NO_READINGS, ClockReadings
from ael.plan import PlannedCode
from ael.sandbox.contract import CodeSession, Limits
from ael.tools import CallContext
from ael.values import JSONValue
from ael.workflow.model import Step


class StepResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt gave."""

    output: JSONValue
    printed: str = ""
    #: Readings of the real clock by code, where it had that one.
    clock: ClockReadings = NO_READINGS


class StepFailure(Exception):
    """An attempt failed; keeps what the step printed until then."""

    def __init__(self, error: AelError, printed: str = "", clock: ClockReadings | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.printed = printed
        self.clock = clock or NO_READINGS


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided about an approval step."""

    approved: bool
    by: str
    #: UTC milliseconds.
    at: int
    comment: str = ""
    choice: str | None = None


class StepHost(Protocol):
    """What a step may ask of the engine that runs it."""

    async def run_child(self, workflow: str, inputs: Mapping[str, JSONValue]) -> JSONValue:
        """Run another workflow as a child execution of this step and return its outputs; raises `AelError`."""
        ...

    async def sleep(self, until: int) -> None:
        """Return at `until` (UTC milliseconds); the time spent does not count towards time limits."""
        ...

    async def decision(self, deadline: int | None) -> Decision | None:
        """Return what was decided about this approval step, None when nobody did until `deadline` (UTC milliseconds).

        Raises `WorkflowInvalid` where nobody can be asked.
        """
        ...

    def now(self) -> int:
        """Return the time of this attempt's start, UTC milliseconds, as recorded."""
        ...


class CodeScope(msgspec.Struct, frozen=True, kw_only=True):
    """What a code block sees of its execution."""

    inputs: Mapping[str, JSONValue]
    #: Optional inputs that were not given.
    absent: tuple[str, ...]
    #: Step id → {output, status, success, error, duration_ms, step_id}.
    steps: Mapping[str, JSONValue]
    item: Mapping[str, JSONValue]


class StepContext(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one step, or of one item of it."""

    execution_id: str
    #: What the step runs with: a tool's or workflow's parameters, rendered; placeholder values for code; the
    #: rendered `seconds` and `until` of a wait.
    values: Mapping[str, JSONValue]
    #: Of code and of child executions; 0 for kinds that draw nothing.
    seed: int
    #: Seconds for this attempt; None where the kind has no limit of its own.
    timeout_seconds: float | None
    limits: Limits
    #: UTC seconds that code reads as the time; None: the real clock.
    clock: float | None
    #: Readings of the real clock that a replay gives again; None where it is no replay.
    readings: tuple[float, ...] | None
    host: StepHost
    call: CallContext
    call_tool: Callable[[str, dict[str, JSONValue], CallContext], Awaitable[JSONValue]]
    code: PlannedCode | None = None
    code_scope: CodeScope | None = None
    session: CodeSession | None = None


class StepRunner(Protocol):
    """Runs the steps of one kind."""

    async def run(self, step: Step, context: StepContext) -> StepResult:
        """Make one attempt; raises `StepFailure`."""
        ...
