"""Where the parts of a workflow stand in its file, and problems there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from ael.errors import Location, Problem
from ael.plan import SECTIONS, section_steps, undo_step
from ael.workflow.code_templates import SCOPE
from ael.workflow.model import Source, Step, StepId, Workflow


class Placed(NamedTuple):
    """A step, its path in the file, and the names in the scope of its `when` and `foreach`, and of the rest."""

    path: str
    step: Step
    names: frozenset[str]
    inner: frozenset[str]


def placed_steps(workflow: Workflow) -> Iterator[Placed]:
    """Yield every step, each followed by the one that undoes it."""
    for section in SECTIONS:
        names = SCOPE if section == "steps" else SCOPE | {"error"}
        for index, step in enumerate(section_steps(workflow, section)):
            path = f"{section}[{index}]"
            inner = names if step.foreach is None else names | {step.item_name, "item", "index"}
            yield Placed(path, step, names, inner)
            undo = undo_step(step)
            if undo is not None:
                within = inner | {"error", "output"}
                yield Placed(f"{path}.compensate", undo, within, within)


def step_path(workflow: Workflow, step_id: StepId) -> str:
    """Return where a step stands in its file, `steps[2]` say; empty for an unknown one."""
    return next((placed.path for placed in placed_steps(workflow) if placed.step.id == step_id), "")


def code_path(source: Source, path: str) -> str:
    """Return the path of a step's code: `code`, or `params.code` of a `python_exec` step."""
    written = f"{path}.params.code"
    return written if written in source.marks else f"{path}.code"


def code_first_line(source: Source, path: str) -> int:
    """Return the line of the file on which a step's code begins."""
    return source.marks.get(code_path(source, path), (1, 1))[0]


def code_indent(source: Source, path: str) -> int:
    """Return how many columns the file indents a step's code."""
    return source.marks.get(code_path(source, path), (1, 1))[1] - 1


def output_path(source: Source, index: int, name: str) -> str:
    """Return the path of one output, in whichever form the file gives it."""
    forms = (f"outputs[{index}]", f"outputs.{name}")
    nested = f"outputs[{index}].{name}"
    if nested in source.marks:
        return nested
    return next((form for form in forms if form in source.marks), forms[0])


def line_of(text: str, number: int) -> str:
    """Return a line of a text, from 1; empty where there is none."""
    lines = text.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def problem_at(
    source: Source,
    path: str,
    text: str,
    offset: int,
    message: str,
    suggestion: str = "",
    severity: Literal["error", "warning"] = "error",
) -> Problem:
    """Return a problem at `offset` characters into the value `text` that stands at `path` of the file."""
    where = path
    while where not in source.marks and where:
        where = where[: max(where.rfind("."), where.rfind("["), 0)]
    line, column = source.marks.get(where, (1, 1))
    if where == path and text:
        before = text[:offset]
        below = before.count("\n")
        if below:
            line, column = line + below, column + len(before) - before.rfind("\n") - 1
        else:
            opening = line_of(source.text, line)[column - 1 : column]
            # A quote that the text itself begins with is none of YAML's.
            quoted = opening in {"'", '"'} and not text.startswith(opening)
            column += len(before) + quoted
    return Problem(
        message=message,
        suggestion=suggestion,
        path=path,
        location=Location(file=source.file, line=line, column=column),
        source_line=line_of(source.text, line),
        severity=severity,
    )
