"""Replays a recorded execution and says what differs: the proof of "same inputs, same outputs".

With another definition it says what would have changed. Nothing is called and nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from ael.app.application import App
from ael.app.differences import difference
from ael.app.recorded import Recorded, read_recorded
from ael.engine.engine import Engine, Request
from ael.engine.replay import Record, Replays
from ael.errors import ErrorRecord, ExecutionNotFound
from ael.journal.events import StepFailed, StepRetried, StepSkipped, StepSucceeded
from ael.journal.fold import Execution, ItemRun, StepRun, ToolCallRecord
from ael.journal.memory import MemoryJournal
from ael.observe.masking import Masker
from ael.sandbox.pool import KernelSandbox
from ael.tools.recorded import RecordedTools
from ael.values import JSONValue, beginning, text
from ael.workflow.inputs import validate_inputs

Outcome = Literal["identical", "different", "new", "gone", "not compared"]


class StepReplay(msgspec.Struct, frozen=True, kw_only=True):
    """How one step went compared with its record."""

    execution_id: str
    #: The step; those of a child stand behind the step that started it: `enrich/fetch`.
    step_id: str
    outcome: Outcome
    #: Lines that begin with `-` (recorded), `+` (now) or a space.
    difference: tuple[str, ...] = ()
    note: str = ""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """How an execution went compared with its record."""

    execution_id: str
    workflow: str
    #: Everything that was compared is the same.
    identical: bool
    steps: tuple[StepReplay, ...]
    #: What differs in the result: status, error, outputs.
    difference: tuple[str, ...] = ()
    #: Why the result is not compared, where it is not.
    note: str = ""


async def replay(app: App, execution_id: str, definition: str | None = None) -> Replay:
    """Replay an execution, against the workflow `definition` (a file or a name) where one is given.

    Raises `ExecutionNotFound`, `JournalUnavailable`, `SandboxUnavailable`; with a definition also what is wrong with
    it, and `InputInvalid` where it takes other inputs.
    """
    root = await read_recorded(app, execution_id)
    family = await _family(app, root)
    plan = root.plan if definition is None else (await app.prepare(definition)).plan
    request = Request(
        plan=plan,
        inputs=root.start.inputs if definition is None else validate_inputs(plan.workflow, root.start.inputs),
        execution_id=root.execution_id,
        seed=root.start.seed,
        secrets=root.secrets,
        parent=root.start.parent,
        parent_step=root.start.parent_step,
    )
    records = {name: Record(plan=one.plan, events=one.events) for name, one in family.items()}
    replays = Replays(records, changed=definition is not None)
    tools = RecordedTools({name: one.events for name, one in family.items()}, anywhere=definition is not None)
    journal = MemoryJournal()
    settings = app.settings.file.python_exec
    # Each step gets a child of its own: nothing that one leaves behind can help the next.
    sandbox = KernelSandbox(max_workers=settings.max_workers, isolation="step")
    try:
        engine = Engine(
            journal=journal,
            gateway=tools,
            sandbox=sandbox,
            resolve=app.parts.definitions.registered,
            # Where the real clock was read, its readings are on record.
            options=msgspec.structs.replace(app.parts.options, template_env=root.start.env, clock="step"),
            make_run=replays.make,
        )
        await engine.run(request)
    finally:
        await sandbox.close()
    return _Comparison(family, replays.ended, tools, is_changed=definition is not None).of(root)


async def _family(app: App, root: Recorded) -> dict[str, Recorded]:
    """Return an execution and all below it, by id, itself first."""
    found = {root.execution_id: root}
    waiting = list(root.children())
    while waiting:
        try:
            child = await read_recorded(app, waiting.pop())
        except ExecutionNotFound:
            # The attempt failed before its child began.
            continue
        found[child.execution_id] = child
        waiting += child.children()
    return found


class _Comparison:
    """Compares executions as they were recorded with what they came to now."""

    def __init__(
        self, family: Mapping[str, Recorded], ended: Mapping[str, Execution], tools: RecordedTools, *, is_changed: bool
    ) -> None:
        self._family = family
        self._ended = ended
        self._is_changed = is_changed
        self._masker = Masker(secret for one in family.values() for secret in one.secrets)
        self._without_clock = {
            (name, event.step_id)
            for name, one in family.items()
            for event in one.events
            if isinstance(event, StepSucceeded | StepFailed | StepSkipped | StepRetried) and event.clock.lost
        }
        self._unanswered: dict[tuple[str, str], list[str]] = {}
        for execution_id, step_id, tool, params in tools.unanswered:
            shown = self._masker.text(text(params))
            said = f"the record has no answer of '{tool}' to {beginning(shown, 200)}"
            self._unanswered.setdefault((execution_id, step_id), []).append(said)

    def of(self, root: Recorded) -> Replay:
        """Return the comparison of an execution and of its children."""
        before, after = root.execution, self._ended[root.execution_id]
        steps = tuple(self._steps(root, ""))
        note = ""
        lines: list[str] = []
        if before.status in {"pending", "running", "waiting"}:
            note = "the record has no end: it is compared as far as it goes"
        else:
            lines = difference(self._result(before), self._result(after))
        same = not lines and all(step.outcome in {"identical", "not compared"} for step in steps)
        return Replay(
            execution_id=root.execution_id,
            workflow=before.workflow_id,
            identical=same,
            steps=steps,
            difference=tuple(map(self._masker.text, lines)),
            note=note,
        )

    def _steps(self, recorded: Recorded, path: str) -> Iterator[StepReplay]:
        after = self._ended.get(recorded.execution_id)
        now = {} if after is None else {step.step_id: step for step in after.steps}
        for step in recorded.execution.steps:
            yield self._step(recorded.execution_id, path, step, now.pop(step.step_id, None))
            for index, child_id in recorded.children_of(step):
                if child_id in self._ended:
                    item = "" if index is None else f"[{index}]"
                    yield from self._steps(self._family[child_id], f"{path}{step.step_id}{item}/")
        for step in now.values():
            yield self._step(recorded.execution_id, path, None, step)

    def _step(self, execution_id: str, path: str, before: StepRun | None, after: StepRun | None) -> StepReplay:
        known = before or after
        assert known is not None
        notes = self._unanswered.get((execution_id, known.step_id), [])
        lines: list[str] = []
        outcome: Outcome
        if before is None:
            outcome = "new"
            lines = difference(None, self._run(known))[1:]
        elif after is None:
            outcome = "gone"
        elif before.status in {"pending", "running", "waiting", "cancelled"}:
            outcome = "not compared"
            notes = [*notes, f"it was {before.status} when the execution ended"]
        else:
            lines = difference(self._run(before), self._run(after))
            outcome = "different" if lines or notes else "identical"
            if lines and (execution_id, known.step_id) in self._without_clock:
                outcome = "not compared"
                notes = [*notes, "not replayable: clock (it was read more often than is recorded)"]
        return StepReplay(
            execution_id=execution_id,
            step_id=f"{path}{known.step_id}",
            outcome=outcome,
            difference=tuple(map(self._masker.text, lines)),
            note="; ".join(notes),
        )

    def _result(self, execution: Execution) -> JSONValue:
        return {
            "status": execution.status,
            "outputs": execution.outputs,
            "error": self._error(execution.error),
        }

    def _run(self, run: StepRun | ItemRun) -> JSONValue:
        """Return what must be the same of a step or item, without empty parts."""
        made: dict[str, JSONValue] = {
            "status": run.status,
            "reason": run.reason,
            "inputs": run.inputs,
            "output": run.output,
            "error": self._error(run.error),
            "printed": run.printed,
            "attempts": [self._error(attempt.error) for attempt in run.attempts] if len(run.attempts) > 1 else None,
            "calls": [self._call(call) for call in sorted(run.calls, key=lambda call: call.number)],
            "items": [self._run(item) for item in run.items or ()] if isinstance(run, StepRun) else None,
        }
        return {key: value for key, value in made.items() if value not in (None, "", [])}

    def _call(self, call: ToolCallRecord) -> JSONValue:
        made: dict[str, JSONValue] = {"tool": call.tool, "params": call.params}
        return made | ({"error": self._error(call.error)} if call.error else {"result": call.result})

    def _error(self, error: ErrorRecord | None) -> JSONValue:
        if error is None:
            return None
        made: dict[str, JSONValue] = {"code": error.code, "message": error.message, "detail": error.detail}
        # Another definition has its lines elsewhere.
        return made if self._is_changed else made | {"location": str(error.location or "")}
