"""Definition → Plan: templates and references read, dependencies inferred, everything checked that can be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

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
from ael.plan import SECTIONS, CodeFacts, CodeProblem, Plan, PlannedCode, Section, section_steps
from ael.plan.graph import find_cycle
from ael.plan.places import (
    Placed,
    code_first_line,
    code_indent,
    code_path,
    line_of,
    output_path,
    placed_steps,
    problem_at,
)
from ael.values import JSONValue
from ael.workflow.code_templates import SCOPE, BoundCode, bind_code
from ael.workflow.expressions import ExpressionError, Reference, Template, parse_condition, parse_template, templates_in
from ael.workflow.model import ApprovalStep, CodeStep, Definition, Step, StepId, ToolStep, WaitStep, WorkflowStep
from ael.workflow.paths import PathSyntaxError, parse_path

#: The error of a file in which nothing else is wrong than its code.
_OF_CODE: dict[str, type[ProblemsError]] = {"CODE_SYNTAX": CodeSyntax, "CODE_SECURITY": CodeRefused}

#: What a step's result has, as `engine.scope` gives it.
_STEP_FIELDS = ("output", "status", "error", "duration_ms", "success", "step_id")

#: Where a message of Python's parser names another line of the code.
_ON_LINE = re.compile(r"\bon line (\d+)\b")


#: What code blocks look like to the sandbox: step id → bound source.
BoundBlocks: TypeAlias = Mapping[StepId, BoundCode]


def bind_blocks(definition: Definition) -> dict[StepId, BoundCode]:
    """Replace the templates of every code block by placeholder names.

    Raises `WorkflowInvalid` with all problems.
    """
    found: list[Problem] = []
    blocks: dict[StepId, BoundCode] = {}
    for path, step, _, inner in placed_steps(definition.workflow):
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
        for placed in placed_steps(self.workflow):
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

    def _reads(self, placed: Placed) -> tuple[StepId, ...] | None:
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
        text = line_of(self.source.text, line)
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
        for path, step, _, _ in placed_steps(self.workflow):
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
        for _, step, _, _ in placed_steps(self.workflow):
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
