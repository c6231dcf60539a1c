"""What a run would do, as far as it can be said without doing it: the order, and parameters known from inputs."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ael.engine.scope import Scope
from ael.errors import AelError
from ael.plan import SECTIONS, Plan, Section
from ael.plan.graph import topological
from ael.values import JSONValue
from ael.workflow.expressions import render, render_value, truth
from ael.workflow.model import CodeStep, Step, ToolStep, WaitStep, WorkflowStep


class PreviewStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step as it would run."""

    step_id: str
    kind: str
    section: Section
    #: The tool or workflow that it would call.
    target: str | None = None
    depends_on: tuple[str, ...] = ()
    #: True or false where `when` depends on inputs alone, None where it is not known yet.
    runs: bool | None = True
    #: Rendered where inputs decide; None where an earlier step's result is needed.
    inputs: JSONValue = None
    #: What cannot be said yet, and why.
    note: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A dry run."""

    workflow_id: str
    workflow_version: str
    inputs: dict[str, JSONValue]
    steps: tuple[PreviewStep, ...]
    tools: tuple[str, ...] = ()


def preview(plan: Plan, inputs: Mapping[str, JSONValue], env: Mapping[str, str]) -> Preview:
    """Return the dry run of a plan with validated inputs; calls nothing."""
    scope = Scope(plan, inputs, "exec-dry-run", env)
    shown: list[PreviewStep] = []
    for section in SECTIONS:
        steps = {step.id: step for step in plan.section(section)}
        order = topological({name: plan.dependencies[name] for name in steps})
        shown += [_step(plan, steps[step_id], section, scope) for step_id in order]
    return Preview(
        workflow_id=plan.workflow.name,
        workflow_version=plan.workflow.version,
        inputs=dict(inputs),
        steps=tuple(shown),
        tools=plan.tools,
    )


def _step(plan: Plan, step: Step, section: Section, scope: Scope) -> PreviewStep:
    reads = plan.reads[step.id]
    waits_for_results = reads is None or bool(reads)
    note, values = "", None
    runs: bool | None = True
    if waits_for_results:
        note = "needs the results of " + (", ".join(reads) if reads else "earlier steps")
        runs = None if isinstance(step.when, str) else step.when is not False
    elif step.foreach is not None or section != "steps":
        note = "once for each item" if step.foreach is not None else f"only in {section}"
    else:
        try:
            names = scope.of_step(step.id, {})
            if isinstance(step.when, str):
                runs = truth(plan.conditions[step.when], names)
            elif step.when is False:
                runs = False
            values = _values(plan, step, names)
        except AelError as error:
            note = f"would fail: {error}"
    return PreviewStep(
        step_id=step.id,
        kind=str(step.__struct_config__.tag),
        section=section,
        target=_target(step),
        depends_on=plan.dependencies[step.id],
        runs=runs,
        inputs=values,
        note=note,
    )


def _values(plan: Plan, step: Step, names: Mapping[str, JSONValue]) -> JSONValue:
    match step:
        case ToolStep() | WorkflowStep():
            return render_value(dict(step.params), plan.templates, names)
        case CodeStep():
            bindings = plan.code[step.id].bindings
            return {template.source.strip(): render(template, names) for _, template in bindings} or None
        case WaitStep():
            return render_value({"seconds": step.seconds, "until": step.until}, plan.templates, names)
        case _:
            return render_value(step.message, plan.templates, names)


def _target(step: Step) -> str | None:
    match step:
        case ToolStep():
            return step.tool
        case WorkflowStep():
            return step.workflow
        case _:
            return None
