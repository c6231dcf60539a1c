"""Workflow → Plan: the graph of steps, dependency inference, static checks. Pure: no clock, no I/O.

Above stands the engine, which runs a plan; below the definition. A plan is plain data (it encodes to JSON), so it
is cached by digest and stored with an execution: a running execution never sees an edited file.

    planner   a definition → Plan. Code is not parsed: a throwaway child of the sandbox hands in `CodeFacts`
    places    where the parts of a workflow stand in its file
    graph     the order of steps that wait for each other
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ael.errors import Problem
from ael.workflow.expressions import Template
from ael.workflow.model import CodeStep, Definition, Step, StepId, ToolStep, Workflow, WorkflowStep

Section = Literal["steps", "on_failure", "finally"]
#: The steps that run in order; what undoes a step stands beside them, see `undo_step`.
SECTIONS: tuple[Section, ...] = ("steps", "on_failure", "finally")


class CodeProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a code block, by line and column (from 1) of the code after template binding."""

    code: str
    message: str
    line: int
    column: int
    severity: Literal["error", "warning"] = "error"
    suggestion: str = ""


class CodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a throwaway child found out about one code block; the host never parses code itself."""

    #: Compiled code, opaque: only a child of the same Python may load it. Empty when `problems` holds an error.
    blob: bytes = b""
    #: Step ids named literally in `steps['id']`, `context.steps['id']`, `.get('id')`.
    steps: tuple[str, ...] = ()
    #: The code also reaches `steps` in a way that names no literal id.
    dynamic_steps: bool = False
    #: Tool names given literally to `call` or `call_tool`.
    tools: tuple[str, ...] = ()
    #: A tool name is computed.
    dynamic_tools: bool = False
    #: Whether the block returns something: `return` at top level or the variable `result`.
    has_result: bool = True
    problems: tuple[CodeProblem, ...] = ()


class PlannedCode(msgspec.Struct, frozen=True, kw_only=True):
    """One code block, ready to run."""

    blob: bytes
    #: Placeholder name → the template whose value it is bound to.
    bindings: tuple[tuple[str, Template], ...] = ()
    file: str = ""
    #: Where the code's first line stands in the file; see `line_in_file`.
    first_line: int = 1
    #: Tools that the code names literally.
    tools: tuple[str, ...] = ()
    #: (line of the bound code, lines of the file that templates above it took away), where that changes.
    shifts: tuple[tuple[int, int], ...] = ()

    def line_in_file(self, line: int) -> int:
        """Return the line of the file for a line (from 1) of the bound code."""
        shift = 0
        for start, lost in self.shifts:
            if line >= start:
                shift = lost
        return self.first_line + line - 1 + shift


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow with everything known that can be known before it runs."""

    definition: Definition
    #: Step → the steps it waits for, in file order, for the steps of all three sections; reduced where a step
    #: that waits for everything above stands between.
    dependencies: dict[StepId, tuple[StepId, ...]]
    #: Step → the steps its templates and code read; None: it may read any that it waits for.
    reads: dict[StepId, tuple[StepId, ...] | None]
    #: Text → parsed template, for every text with a template outside code.
    templates: dict[str, Template] = {}
    #: Text → parsed expression of `when` and `foreach`.
    conditions: dict[str, Template] = {}
    code: dict[StepId, PlannedCode] = {}
    #: Names and patterns of the tools that this workflow may call.
    tools: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def workflow(self) -> Workflow:
        """The definition without its source."""
        return self.definition.workflow

    def steps(self) -> Iterator[Step]:
        """Yield the steps of all sections in file order, then those that undo others."""
        every = [step for name in SECTIONS for step in self.section(name)]
        yield from every
        for step in every:
            undo = undo_step(step)
            if undo is not None:
                yield undo

    def section(self, name: Section) -> tuple[Step, ...]:
        """Return the steps of one section, in file order."""
        return section_steps(self.workflow, name)


#: What the id of a step is followed by in the id of what undoes it; no step of a file can be called so.
_UNDO = ".compensate"


def undo_step(step: Step) -> Step | None:
    """Return the step that undoes `step`, under an id of its own; None where nothing does."""
    undo = step.compensate
    if undo is None:
        return None
    common: dict[str, Any] = {
        "id": StepId(step.id + _UNDO),
        "timeout": undo.timeout,
        "retry": undo.retry,
        "on_error": "fail" if undo.retry is None else "retry",
    }
    if undo.tool is not None:
        return ToolStep(tool=undo.tool, params=undo.params, **common)
    if undo.workflow is not None:
        return WorkflowStep(workflow=undo.workflow, params=undo.params, **common)
    return CodeStep(code=undo.code or "", **common)


def undoes(step_id: str) -> StepId | None:
    """Return the step that the step of this id undoes; None for a step of the file."""
    return StepId(step_id.removesuffix(_UNDO)) if step_id.endswith(_UNDO) else None


def section_steps(workflow: Workflow, name: Section) -> tuple[Step, ...]:
    """Return the steps of one section of a workflow, in file order."""
    match name:
        case "steps":
            return workflow.steps
        case "on_failure":
            return workflow.on_failure
        case "finally":
            return workflow.finally_
