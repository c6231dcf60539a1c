"""What templates and code of a step see: inputs, results of the steps it waits for, its item.

A step sees only what it waits for, so that parallelism never changes a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ael.engine.host import StepEnded
from ael.errors import ErrorRecord
from ael.journal.events import StepFailed, StepSkipped, StepSucceeded
from ael.plan import Plan
from ael.steps import CodeScope
from ael.values import JSONValue
from ael.workflow.model import StepId


class Scope:
    """The growing state of one execution, as its templates and code see it."""

    def __init__(self, plan: Plan, inputs: Mapping[str, JSONValue], execution_id: str, env: Mapping[str, str]) -> None:
        self._plan = plan
        self._inputs = dict(inputs)
        self._absent = tuple(spec.name for spec in plan.workflow.inputs if spec.name not in inputs)
        self._fixed: dict[str, JSONValue] = {
            "inputs": {**self._inputs, **dict.fromkeys(self._absent)},
            "execution": {"id": execution_id},
            "workflow": {"name": plan.workflow.name, "version": plan.workflow.version},
            "env": dict(env),
        }
        self._views: dict[StepId, dict[str, JSONValue]] = {}
        self._ancestors: dict[StepId, tuple[StepId, ...]] = {}

    def finished(self, ended: StepEnded) -> None:
        """Take over how a step ended."""
        self._views[StepId(ended.step_id)] = _view(ended)

    def compensated(self, step_id: StepId) -> None:
        """Take over that a step was undone."""
        view = self._views.get(step_id) or _never_ran(step_id)
        if view["status"] == "completed":
            self._views[step_id] = {**view, "status": "compensated", "success": False}

    def failed_with(self, error: ErrorRecord) -> None:
        """Bring `error` into scope, for `on_failure` and `finally`."""
        self._fixed["error"] = _error_value(error)

    def of_step(self, step_id: StepId, item: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
        """Return the names that the templates of a step may use."""
        return {**self._fixed, "steps": self._visible(step_id), **item}

    def of_results(self) -> dict[str, JSONValue]:
        """Return the names that outputs may use: everything."""
        every = [step.id for step in self._plan.workflow.steps]
        return {**self._fixed, "steps": self._select(every)}

    def of_code(self, step_id: StepId, item: Mapping[str, JSONValue]) -> CodeScope:
        """Return what a code block sees."""
        error = {"error": self._fixed["error"]} if "error" in self._fixed else {}
        return CodeScope(inputs=self._inputs, absent=self._absent, steps=self._visible(step_id), item={**error, **item})

    def _visible(self, step_id: StepId) -> dict[str, JSONValue]:
        reads = self._plan.reads[step_id]
        return self._select(self._all_before(step_id) if reads is None else reads)

    def _select(self, ids: Iterable[StepId]) -> dict[str, JSONValue]:
        return {name: self._views.get(name) or _never_ran(name) for name in ids}

    def _all_before(self, step_id: StepId) -> tuple[StepId, ...]:
        """Return every step that `step_id` waits for, directly or not, in file order."""
        if step_id not in self._ancestors:
            found: set[StepId] = set()
            stack = list(self._plan.dependencies.get(step_id, ()))
            while stack:
                name = stack.pop()
                if name not in found:
                    found.add(name)
                    stack.extend(self._plan.dependencies[name])
            main = {step.id for step in self._plan.workflow.steps}
            if step_id not in main:
                found |= main
            self._ancestors[step_id] = tuple(name for name in self._plan.dependencies if name in found)
        return self._ancestors[step_id]


def _view(ended: StepEnded) -> dict[str, JSONValue]:
    match ended:
        case StepSucceeded():
            output, status, error = ended.output, "completed", None
        case StepFailed():
            output, status, error = None, "failed", ended.error
        case StepSkipped():
            output, status, error = None, "skipped", ended.error
    return {
        "output": output,
        "status": status,
        "success": status == "completed",
        "error": _error_value(error) if error is not None else None,
        "duration_ms": ended.duration_ms,
        "step_id": ended.step_id,
    }


def _never_ran(step_id: StepId) -> dict[str, JSONValue]:
    return {
        "output": None,
        "status": "pending",
        "success": False,
        "error": None,
        "duration_ms": 0.0,
        "step_id": step_id,
    }


def _error_value(error: ErrorRecord) -> JSONValue:
    value: dict[str, JSONValue] = msgspec.to_builtins(error)
    return value
