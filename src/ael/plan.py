"""Workflow → Plan: the graph of steps, dependency inference, static checks. Pure: no clock, no I/O.

Above stands the engine, which runs a plan; below the definition. A plan is plain data (it encodes to JSON), so it
is cached by digest and stored with an execution: a running execution never sees an edited file.

Code is not parsed here: a throwaway child of the sandbox does that and hands in `CodeFacts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from ael.errors import (
    CircularDependency,
    CodeRefused,
    CodeSyntax,
    Location,
    Problem,
    ProblemsError,
    StepNotFound,
    WorkflowInvalid,
    did_you_mean,
    nearest,
)
from ael.values import JSONValue
from ael.workflow.code_templates import SCOPE, BoundCode, bind_code
from ael.workflow.expressions import (
    ExpressionError,
    Reference,
    Template,
    parse_condition,
    parse_template,
    templates_in,
)
from ael.workflow.model import (
    ApprovalStep,
    CodeStep,
    Definition,
    Source,
    Step,
    StepId,
    ToolStep,
    WaitStep,
    Workflow,
    WorkflowStep,
)
from ael.workflow.paths import PathSyntaxError, parse_path

Section = Literal["steps", "on_failure", "finally"]
#: The steps that run in order; what undoes a step stands beside them, see `undo_step`.
SECTIONS: tuple[Section, ...] = ("steps", "on_failure", "finally")

#: The error of a file in which nothing else is wrong than its code.
_OF_CODE: dict[str, type[ProblemsError]] = {"CODE_SYNTAX": CodeSyntax, "CODE_SECURITY": CodeRefused}

#: What a step's result has, as `engine.scope` gives it.
_STEP_FIELDS = ("output", "status", "error", "duration_ms", "success", "step_id")

#: Where a message of Python's parser names another line of the code.
_ON_LINE = re.compile(r"\bon line (\d+)\b")


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


#: What code blocks look like to the sandbox: step id → bound source.
BoundBlocks: TypeAlias = Mapping[StepId, BoundCode]


def section_steps(workflow: Workflow, name: Section) -> tuple[Step, ...]:
    """Return the steps of one section of a workflow, in file order."""
    match name:
        case "steps":
            return workflow.steps
        case "on_failure":
            return workflow.on_failure
        case "finally":
            return workflow.finally_


def bind_blocks(definition: Definition) -> dict[StepId, BoundCode]:
    """Replace the templates of every code block by placeholder names.

    Raises `WorkflowInvalid` with all problems.
    """
    found: list[Problem] = []
    blocks: dict[StepId, BoundCode] = {}
    for path, step, _, inner in _placed_steps(definition.workflow):
        if not isinstance(step, CodeStep):
            continue
        if not step.templates:
            blocks[step.id] = BoundCode.verbatim(step.code)
            continue
        try:
            blocks[step.id] = bind_code(step.code, inner)
        except ExpressionError as error:
            where = code_path(definition.source, path)
            found.append(problem_at(definition.source, where, step.code, error.offset, error.message, error.suggestion))
    if found:
        raise WorkflowInvalid(found)
    return blocks


def make_plan(definition: Definition, blocks: BoundBlocks, facts: Mapping[StepId, CodeFacts]) -> Plan:
    """Return the plan of a definition whose code blocks have been bound and checked.

    Raises `WorkflowInvalid`, or `StepNotFound` or `CircularDependency` where nothing else is wrong, with all
    problems in file order.
    """
    return _Planner(definition, blocks, facts).plan()


class _Planner:
    """Collects templates, references and problems of one definition."""

    def __init__(self, definition: Definition, blocks: BoundBlocks, facts: Mapping[StepId, CodeFacts]) -> None:
        self.source = definition.source
        self.workflow = definition.workflow
        self.definition = definition
        self.blocks = blocks
        self.facts = facts
        self.templates: dict[str, Template] = {}
        self.conditions: dict[str, Template] = {}
        self.problems: list[tuple[type[ProblemsError], Problem]] = []
        self.warnings: list[Problem] = []
        #: The first unknown step, for the message when nothing else is wrong.
        self.missing = ""
        self.ids = {step.id for section in SECTIONS for step in section_steps(self.workflow, section)}
        self.inputs = {spec.name for spec in self.workflow.inputs}

    def plan(self) -> Plan:
        reads: dict[StepId, tuple[StepId, ...] | None] = {}
        for placed in _placed_steps(self.workflow):
            reads[placed.step.id] = self._reads(placed)
        self._results()
        dependencies: dict[StepId, tuple[StepId, ...]] = {}
        for section in SECTIONS:
            dependencies |= self._graph(section, reads)
        self._raise()
        return Plan(
            definition=self.definition,
            dependencies=dependencies,
            reads=reads,
            templates=self.templates,
            conditions=self.conditions,
            code=self._code(),
            tools=self._scope(),
            warnings=tuple(self.warnings),
        )

    # -- templates and references -------------------------------------------------------------------------------

    def _reads(self, placed: _Placed) -> tuple[StepId, ...] | None:
        """Parse the templates of a step, check their references, and return the steps it reads."""
        path, step, names, inner = placed
        read: dict[StepId, None] = {}
        dynamic = False
        for where, text, expression, scope in _texts(path, step, names, inner):
            template = self._parse(where, text, expression=expression)
            if template is not None:
                dynamic |= self._references(where, text, template.references, scope, step.id, read)
        if step.id in self.facts:
            dynamic |= self._code_reads(path, step, inner, read)
        return None if dynamic else tuple(read)

    def _parse(self, where: str, text: str, *, expression: bool) -> Template | None:
        cache = self.conditions if expression else self.templates
        if text in cache:
            return cache[text]
        try:
            template = parse_condition(text) if expression else parse_template(text)
        except ExpressionError as error:
            self._problem(WorkflowInvalid, where, text, error.offset, error.message, error.suggestion)
            return None
        cache[text] = template
        return template

    def _references(
        self,
        where: str,
        text: str,
        references: Iterable[Reference],
        scope: frozenset[str],
        step_id: StepId | None,
        read: dict[StepId, None],
    ) -> bool:
        """Check references and add the steps they read; return whether one of them is computed."""
        dynamic = False
        for reference in references:
            if reference.root not in scope:
                self._unknown_root(where, text, reference, scope)
            elif reference.root == "inputs":
                self._check_input(where, text, reference)
            elif reference.root == "steps":
                if not reference.path or not isinstance(reference.path[0], str):
                    dynamic = True
                else:
                    self._check_step(where, text, reference, step_id, read)
        return dynamic

    def _unknown_root(self, where: str, text: str, reference: Reference, scope: frozenset[str]) -> None:
        root = reference.root
        if root in self.inputs:
            hint = f"Did you mean 'inputs.{root}'?"
        elif root in self.ids:
            hint = f"Did you mean 'steps.{root}.output'?"
        elif root in {"item", "index"}:
            hint = f"'{root}' exists only inside a step with foreach."
        elif root == "error":
            hint = "'error' exists only in on_failure, finally and compensate; a step's error is steps.ID.error."
        else:
            hint = did_you_mean(root, scope)
        if not reference.guarded:
            self._problem(WorkflowInvalid, where, text, reference.offset, f"unknown name '{root}' in a template", hint)

    def _check_input(self, where: str, text: str, reference: Reference) -> None:
        if not reference.path or not isinstance(reference.path[0], str) or reference.guarded:
            return
        name = reference.path[0]
        if name not in self.inputs:
            hint = did_you_mean(name, self.inputs, "input") or "This workflow declares no inputs."
            self._problem(WorkflowInvalid, where, text, reference.offset, f"unknown input '{name}'", hint)

    def _check_step(
        self, where: str, text: str, reference: Reference, step_id: StepId | None, read: dict[StepId, None]
    ) -> None:
        name = StepId(str(reference.path[0]))
        if name == step_id:
            message = f"step '{name}' refers to its own result"
            self._problem(CircularDependency, where, text, reference.offset, message, "")
        elif name not in self.ids:
            hint = did_you_mean(name, self.ids, "step")
            self.missing = self.missing or name
            self._problem(StepNotFound, where, text, reference.offset, f"unknown step '{name}'", hint)
        else:
            read[name] = None
            self._check_field(where, text, reference)

    def _check_field(self, where: str, text: str, reference: Reference) -> None:
        """Report a field that no step's result has."""
        if len(reference.path) < 2 or reference.guarded:
            return
        name, field = reference.path[:2]
        if isinstance(field, str) and field not in _STEP_FIELDS:
            close = nearest(field, _STEP_FIELDS)
            meant = close or f"output.{field}"
            message = f"the result of step '{name}' has no '{field}'"
            self._problem(
                WorkflowInvalid, where, text, reference.offset, message, f"Did you mean 'steps.{name}.{meant}'?"
            )

    def _code_reads(self, path: str, step: Step, scope: frozenset[str], read: dict[StepId, None]) -> bool:
        """Take over what the child found in a code block; return whether it reads steps by computed names."""
        block, facts = self.blocks[step.id], self.facts[step.id]
        where = code_path(self.source, path)
        code = step.code if isinstance(step, CodeStep) else ""
        first = code_first_line(self.source, path)
        dynamic = facts.dynamic_steps
        for (_, template), (_, end) in zip(block.placeholders, block.offsets, strict=True):
            start = end - len(template.source)
            moved = [msgspec.structs.replace(one, offset=one.offset + start) for one in template.references]
            dynamic |= self._references(where, code, moved, scope, step.id, read)
        for warning in block.warnings:
            self.warnings.append(
                problem_at(self.source, where, code, warning.offset, warning.message, warning.suggestion, "warning")
            )
        for found in facts.problems:
            line, column = block.original_position(found.line, found.column)
            if found.code == "CODE_SYNTAX":
                found = _in_lines_of_file(found, block, first)  # noqa: PLW2901 # the same problem, in other words
            problem = self._code_problem(path, first + line - 1, column, found)
            if found.severity == "warning":
                self.warnings.append(problem)
            else:
                self.problems.append((_OF_CODE.get(found.code, WorkflowInvalid), problem))
        if not facts.has_result and not any(found.severity == "error" for found in facts.problems):
            self.warnings.append(
                problem_at(
                    self.source,
                    where,
                    code,
                    0,
                    f"the code of step '{step.id}' gives no result",
                    "End it with `return VALUE` or set the variable `result`.",
                    "warning",
                )
            )
        for name in facts.steps:
            written = next((quote + name for quote in "'\"" if f"{quote}{name}{quote}" in code), "")
            reference = Reference(root="steps", path=(name,), offset=code.find(written) + len(written[:1]))
            self._check_step(where, code, reference, step.id, read)
        return dynamic

    def _code_problem(self, path: str, line: int, column: int, found: CodeProblem) -> Problem:
        indent = code_indent(self.source, path)
        text = _line(self.source.text, line)
        return Problem(
            message=found.message,
            suggestion=found.suggestion,
            path=code_path(self.source, path),
            location=Location(file=self.source.file, line=line, column=max(1, column + indent)),
            source_line=text,
            severity=found.severity,
        )

    def _results(self) -> None:
        """Check the templates and paths of `output` and `outputs`."""
        scope = SCOPE
        ignored: dict[StepId, None] = {}
        values: list[tuple[str, JSONValue]] = []
        if self.workflow.output is not msgspec.UNSET:
            values.append(("output", self.workflow.output))
        for index, spec in enumerate(self.workflow.outputs):
            base = output_path(self.source, index, spec.name)
            if spec.value is not msgspec.UNSET:
                values.append((f"{base}.value", spec.value))
            if spec.from_path is not None:
                self._check_output_path(f"{base}.from_path", spec.from_path, guarded=spec.default is not msgspec.UNSET)
        for base, value in values:
            for suffix, text in templates_in(value):
                template = self._parse(base + suffix, text, expression=False)
                if template is not None:
                    self._references(base + suffix, text, template.references, scope, None, ignored)

    def _check_output_path(self, where: str, text: str, *, guarded: bool) -> None:
        try:
            parts = parse_path(text)
        except PathSyntaxError as error:
            self._problem(WorkflowInvalid, where, text, error.offset, error.message, error.suggestion)
            return
        if parts[0] not in SCOPE:
            hint = f"Did you mean 'steps.{text}'?" if parts[0] in self.ids else did_you_mean(str(parts[0]), SCOPE)
            self._problem(WorkflowInvalid, where, text, 0, f"the path starts with '{parts[0]}'", hint)
        elif parts[0] in ("steps", "inputs") and len(parts) > 1:
            reference = Reference(root=str(parts[0]), path=parts[1:3], offset=len(str(parts[0])) + 1, guarded=guarded)
            if parts[0] == "steps":
                self._check_step(where, text, reference, None, {})
            else:
                self._check_input(where, text, reference)

    # -- the graph ----------------------------------------------------------------------------------------------

    def _graph(
        self, section: Section, reads: Mapping[StepId, tuple[StepId, ...] | None]
    ) -> dict[StepId, tuple[StepId, ...]]:
        steps = section_steps(self.workflow, section)
        position = {step.id: index for index, step in enumerate(steps)}
        edges: dict[StepId, tuple[StepId, ...]] = {}
        #: Where the last step stands that waits for everything above it.
        barrier = -1
        for index, step in enumerate(steps):
            wanted: set[StepId] = {name for name in reads[step.id] or () if name in position}
            if step.depends_on is None:
                wanted |= {above.id for above in steps[max(barrier, 0) : index]}
                barrier = index
            else:
                wanted |= self._declared(f"{section}[{index}]", step, position)
            edges[step.id] = tuple(sorted(wanted - {step.id}, key=position.__getitem__))
        cycle = find_cycle(edges)
        if cycle:
            self._report_cycle(section, cycle, position, edges)
        return edges

    def _declared(self, path: str, step: Step, position: Mapping[StepId, int]) -> set[StepId]:
        declared: set[StepId] = set()
        for index, name in enumerate(step.depends_on or ()):
            where = f"{path}.depends_on[{index}]"
            if where not in self.source.marks:
                where = f"{path}.depends_on"
            if name == step.id:
                message = f"step '{name}' depends on itself"
                self._problem(CircularDependency, where, name, 0, message, "Remove it from depends_on.")
            elif name not in position:
                hint = did_you_mean(name, position, "step")
                self.missing = self.missing or name
                self._problem(StepNotFound, where, name, 0, f"depends_on names the unknown step '{name}'", hint)
            else:
                declared.add(name)
        return declared

    def _report_cycle(
        self,
        section: Section,
        cycle: Sequence[StepId],
        position: Mapping[StepId, int],
        edges: Mapping[StepId, tuple[StepId, ...]],
    ) -> None:
        shown = " → ".join((*cycle, cycle[0])) if len(cycle) <= 8 else " → ".join((*cycle[:7], "…", cycle[0]))
        steps = section_steps(self.workflow, section)
        first = min(cycle, key=position.__getitem__)
        later = [name for name in edges[first] if name in cycle and position[name] > position[first]]
        blocker = next((name for name in later if steps[position[name]].depends_on is None), None)
        if blocker is not None:
            message = f"step '{first}' needs '{blocker}', which stands further down and waits for it: {shown}"
            hint = f"Move '{blocker}' above '{first}', or give '{blocker}' its own depends_on."
        else:
            message, hint = f"steps wait for each other: {shown}", "Remove one of these dependencies."
        self._problem(CircularDependency, f"{section}[{position[first]}]", "", 0, message, hint)

    # -- the rest -----------------------------------------------------------------------------------------------

    def _code(self) -> dict[StepId, PlannedCode]:
        planned: dict[StepId, PlannedCode] = {}
        for path, step, _, _ in _placed_steps(self.workflow):
            if step.id in self.facts:
                planned[step.id] = PlannedCode(
                    blob=self.facts[step.id].blob,
                    tools=self.facts[step.id].tools,
                    bindings=self.blocks[step.id].placeholders,
                    file=self.source.file,
                    first_line=code_first_line(self.source, path),
                    shifts=_shifts(self.blocks[step.id]),
                )
        return planned

    def _scope(self) -> tuple[str, ...]:
        if self.workflow.tools is not None:
            return self.workflow.tools
        names: dict[str, None] = {}
        for _, step, _, _ in _placed_steps(self.workflow):
            if isinstance(step, ToolStep):
                names[step.tool] = None
            if step.id in self.facts:
                names |= dict.fromkeys(self.facts[step.id].tools)
        return tuple(names)

    def _problem(
        self, kind: type[ProblemsError], where: str, text: str, offset: int, message: str, suggestion: str
    ) -> None:
        self.problems.append((kind, problem_at(self.source, where, text, offset, message, suggestion)))

    def _raise(self) -> None:
        if not self.problems:
            return
        problems = sorted(
            {problem: None for _, problem in self.problems},
            key=lambda found: (found.location.line, found.location.column) if found.location else (0, 0),
        )
        kinds = {kind for kind, _ in self.problems}
        if kinds == {StepNotFound}:
            raise StepNotFound(problems, missing=self.missing)
        if len(kinds) == 1:
            raise kinds.pop()(problems)
        raise WorkflowInvalid(problems)


def find_cycle(edges: Mapping[StepId, Sequence[StepId]]) -> tuple[StepId, ...]:
    """Return the steps of one cycle, in the order in which they wait for each other; empty when there is none."""
    done: set[StepId] = set()
    for start in edges:
        trail: list[StepId] = []
        on_trail: set[StepId] = set()
        stack: list[tuple[StepId, Iterator[StepId]]] = []
        if start not in done:
            trail.append(start)
            on_trail.add(start)
            stack.append((start, iter(edges[start])))
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                trail.pop()
                on_trail.discard(node)
                done.add(node)
            elif following in on_trail:
                return tuple(trail[trail.index(following) :])
            elif following not in done and following in edges:
                trail.append(following)
                on_trail.add(following)
                stack.append((following, iter(edges[following])))
    return ()


def topological(edges: Mapping[StepId, Sequence[StepId]]) -> list[StepId]:
    """Return the steps in an order in which each follows all it waits for; among ready ones, file order."""
    order = list(edges)
    position = {name: index for index, name in enumerate(order)}
    missing = {name: len(edges[name]) for name in order}
    dependents: dict[StepId, list[StepId]] = {name: [] for name in order}
    for name, wanted in edges.items():
        for before in wanted:
            dependents[before].append(name)
    ready = [position[name] for name in order if not missing[name]]
    heapify(ready)
    result: list[StepId] = []
    while ready:
        name = order[heappop(ready)]
        result.append(name)
        for after in dependents[name]:
            missing[after] -= 1
            if not missing[after]:
                heappush(ready, position[after])
    return result


# -- places in the file ----------------------------------------------------------------------------------------------


class _Placed(NamedTuple):
    """A step, its path in the file, and the names in the scope of its `when` and `foreach`, and of the rest."""

    path: str
    step: Step
    names: frozenset[str]
    inner: frozenset[str]


def _placed_steps(workflow: Workflow) -> Iterator[_Placed]:
    """Yield every step, each followed by the one that undoes it."""
    for section in SECTIONS:
        names = SCOPE if section == "steps" else SCOPE | {"error"}
        for index, step in enumerate(section_steps(workflow, section)):
            path = f"{section}[{index}]"
            inner = names if step.foreach is None else names | {step.item_name, "item", "index"}
            yield _Placed(path, step, names, inner)
            undo = undo_step(step)
            if undo is not None:
                within = inner | {"error", "output"}
                yield _Placed(f"{path}.compensate", undo, within, within)


def step_path(workflow: Workflow, step_id: StepId) -> str:
    """Return where a step stands in its file, `steps[2]` say; empty for an unknown one."""
    return next((placed.path for placed in _placed_steps(workflow) if placed.step.id == step_id), "")


def _texts(
    path: str, step: Step, outer: frozenset[str], inner: frozenset[str]
) -> Iterator[tuple[str, str, bool, frozenset[str]]]:
    """Yield (path, text, is an expression, names in scope) for every template of a step outside its code."""
    if isinstance(step.when, str):
        yield f"{path}.when", step.when, True, outer
    if step.foreach is not None:
        yield f"{path}.foreach", step.foreach, True, outer
    values: list[tuple[str, JSONValue]] = []
    match step:
        case ToolStep() | WorkflowStep():
            values.append((f"{path}.params", dict(step.params)))
        case ApprovalStep():
            values.append((f"{path}.approval.message", step.message))
        case WaitStep():
            values.append((f"{path}.wait.seconds", step.seconds))
            values.append((f"{path}.wait.until", step.until))
        case CodeStep():
            pass
    for base, value in values:
        for suffix, text in templates_in(value):
            yield base + suffix, text, False, inner


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


def _shifts(block: BoundCode) -> tuple[tuple[int, int], ...]:
    """Return where templates that span lines make the bound code shorter than the file's."""
    shifts: list[tuple[int, int]] = []
    last = 0
    for line in range(1, block.source.count("\n") + 2):
        lost = block.original_position(line, 1)[0] - line
        if lost != last:
            shifts.append((line, lost))
            last = lost
    return tuple(shifts)


def _in_lines_of_file(found: CodeProblem, block: BoundCode, first: int) -> CodeProblem:
    """Return a problem whose message counts the lines that it names from the file's first line."""

    def renumbered(match: re.Match[str]) -> str:
        return f"on line {first + block.original_position(int(match[1]), 1)[0] - 1}"

    return msgspec.structs.replace(found, message=_ON_LINE.sub(renumbered, found.message))


def _line(text: str, number: int) -> str:
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
            opening = _line(source.text, line)[column - 1 : column]
            # A quote that the text itself begins with is none of YAML's.
            quoted = opening in {"'", '"'} and not text.startswith(opening)
            column += len(before) + quoted
    return Problem(
        message=message,
        suggestion=suggestion,
        path=path,
        location=Location(file=source.file, line=line, column=column),
        source_line=_line(source.text, line),
        severity=severity,
    )
