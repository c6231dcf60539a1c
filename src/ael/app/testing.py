"""Runs the tests that a workflow file carries: real steps and code, mocked tools, a fixed time and seed.

Steps run one after another, so that successive answers of a mock go where the file's order says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping

import msgspec

from ael.app.application import App
from ael.app.differences import difference
from ael.app.secrets import input_secrets
from ael.engine.engine import Engine, MakeRun, Request, Run
from ael.engine.fixed import FixedHost
from ael.errors import AelError, ErrorRecord, Problem, ProblemsError
from ael.journal.fold import Execution
from ael.journal.memory import MemoryJournal
from ael.observe.masking import Masker
from ael.plan import Plan
from ael.steps import Decision
from ael.tools.mocked import MadeCall, MockedTools, contains, matches
from ael.values import JSONValue, beginning, text
from ael.workflow.inputs import make_validator, validate_inputs
from ael.workflow.model import Expectation, FileTest

#: Every test has the same, so that what an execution says of itself is the same each time.
_EXECUTION_ID = "exec-" + 24 * "0"
_BROKEN = frozenset({"failed", "timed_out", "cancelled"})


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as a test expects it."""

    #: The key under `expect` that says otherwise; empty for a call that no mock answers.
    key: str
    message: str
    #: The step that it is about, where one is known.
    step_id: str | None = None
    #: Lines that begin with `-` (expected), `+` (actual) or a space.
    difference: tuple[str, ...] = ()


class TestReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one test went."""

    file: str
    workflow: str
    name: str
    passed: bool
    duration_ms: float
    mismatches: tuple[Mismatch, ...] = ()
    #: How the execution failed, where it did.
    error: ErrorRecord | None = None
    #: Step → its status.
    steps: dict[str, str] = {}
    #: None: the inputs were refused, and nothing ran.
    execution: Execution | None = None

    #: pytest would take the class for a test.
    __test__ = False


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the tests of one file went."""

    file: str
    #: What is wrong with the file, where it cannot be run.
    problems: tuple[Problem, ...] = ()
    tests: tuple[TestReport, ...] = ()


class TestRunner:
    """Runs the tests of files; several at the same time share the sandbox."""

    __test__ = False

    def __init__(self, app: App, *, at_once: int = 1) -> None:
        """Run at most `at_once` tests at the same time; the installation's limits hold in tests too."""
        parts = app.parts
        self._definitions = parts.definitions
        self._sandbox = parts.sandbox
        self._options = msgspec.structs.replace(
            parts.options, max_concurrent=1, max_parallel_steps=1, clock="step", template_env={}
        )
        self._slots = asyncio.Semaphore(at_once)

    async def run_file(self, path: str, name: str = "") -> FileReport:
        """Run the tests of one file whose name contains `name`, in any case; raises `SandboxUnavailable`."""
        try:
            plan = (await self._definitions.prepare(path)).plan
        except ProblemsError as error:
            return FileReport(file=path, problems=error.problems)
        chosen = [test for test in plan.workflow.tests if name.casefold() in test.name.casefold()]
        reports = await asyncio.gather(*(self._in_turn(plan, test, path) for test in chosen))
        return FileReport(file=path, tests=tuple(reports))

    async def _in_turn(self, plan: Plan, test: FileTest, file: str) -> TestReport:
        async with self._slots:
            return await self.run(plan, test, file)

    async def run(self, plan: Plan, test: FileTest, file: str) -> TestReport:
        """Run one test; raises `SandboxUnavailable`."""
        begun = time.perf_counter()
        tools = MockedTools(test.mocks)
        execution: Execution | None = None
        try:
            inputs = validate_inputs(plan.workflow, test.inputs)
            execution = await self._execute(plan, test, inputs, tools)
            error = execution.error
        except AelError as refused:
            error = refused.record()
        masker = Masker(input_secrets(plan.workflow, test.inputs))
        found = [_masked(one, masker) for one in mismatches(plan, test.expect, execution, error, tools)]
        return TestReport(
            file=file,
            workflow=plan.workflow.name,
            name=test.name,
            passed=not found,
            duration_ms=(time.perf_counter() - begun) * 1000,
            mismatches=tuple(found),
            error=None if error is None else masker.record(error),
            steps={} if execution is None else {step.step_id: step.status for step in execution.steps},
            execution=None if execution is None else masker.record(execution),
        )

    async def _execute(self, plan: Plan, test: FileTest, inputs: dict[str, JSONValue], tools: MockedTools) -> Execution:
        journal = MemoryJournal()
        engine = Engine(
            journal=journal,
            gateway=tools,
            sandbox=self._sandbox,
            resolve=self._definitions.registered,
            options=msgspec.structs.replace(self._options, template_env=test.env),
            make_run=_fixed(journal, test),
        )
        return await engine.run(Request(plan=plan, inputs=inputs, execution_id=_EXECUTION_ID, seed=test.seed))


def _fixed(journal: MemoryJournal, test: FileTest) -> MakeRun:
    decisions = {step: _decision(verdict, test.time_ms) for step, verdict in test.approvals.items()}

    def make(engine: Engine, request: Request, _: object) -> Run:
        host = FixedHost(request.execution_id, journal, request.seed, None, at=test.time_ms, decisions=decisions)
        return Run(engine, request, host, None)

    return make


def _masked(found: Mismatch, masker: Masker) -> Mismatch:
    lines = tuple(map(masker.text, found.difference))
    return msgspec.structs.replace(found, message=masker.text(found.message), difference=lines)


def _decision(verdict: Mapping[str, JSONValue], at: int) -> Decision | None:
    if verdict["verdict"] == "expire":
        return None
    choice = verdict.get("choice")
    return Decision(
        approved=verdict["verdict"] == "approve",
        by=text(verdict.get("by", "test")),
        at=at,
        comment=text(verdict.get("comment")),
        choice=None if choice is None else text(choice),
    )


# -- what is not as expected ------------------------------------------------------------------------------------


def mismatches(
    plan: Plan, expected: Expectation, execution: Execution | None, error: ErrorRecord | None, tools: MockedTools
) -> Iterator[Mismatch]:
    """Yield everything in which an execution is not as a test expects it."""
    for made, why in tools.unanswered:
        shown = f"step '{made.step_id}' calls '{made.tool}' with {_short(made.params)}: {why}"
        yield Mismatch(key="", message=shown, step_id=made.step_id)
    yield from _status(expected, "failed" if execution is None else execution.status, error)
    if execution is not None:
        yield from _output(plan, expected, execution)
        yield from _steps(expected, execution)
    yield from _calls(expected, tools.calls)


def _status(expected: Expectation, status: str, error: ErrorRecord | None) -> Iterator[Mismatch]:
    step = None if error is None else error.step_id
    if expected.status is not None and status != expected.status:
        yield Mismatch(key="status", message=f"the execution is {status}, not {expected.status}", step_id=step)
    elif expected.fails and status not in _BROKEN:
        wanted = expected.error_code or "an error"
        yield Mismatch(key="error", message=f"the execution is {status}; the test expects {wanted}")
    if error is None:
        return
    if expected.error_code is not None and error.code != expected.error_code:
        lines = (f"-{expected.error_code}", f"+{error.code}")
        yield Mismatch(key="error", message="it fails with another error", step_id=step, difference=lines)
    if expected.error_contains is not None and expected.error_contains not in str(error):
        lines = (f"-…{expected.error_contains}…", f"+{error}")
        yield Mismatch(key="error", message="the error's text is another", step_id=step, difference=lines)
    if expected.error_step is not None and error.step_id != expected.error_step:
        message = f"step '{error.step_id}' fails, not '{expected.error_step}'" if step else "no step fails"
        yield Mismatch(key="error", message=message, step_id=step)


def _output(plan: Plan, expected: Expectation, execution: Execution) -> Iterator[Mismatch]:
    actual = execution.outputs
    source = _source(plan)
    if expected.output is not msgspec.UNSET:
        lines = tuple(difference(expected.output, actual))
        if lines:
            yield Mismatch(key="output", message="the output differs", step_id=source, difference=lines)
    part = expected.output_contains
    if part is not msgspec.UNSET and not _has(actual, part):
        lines = tuple(difference(part, _cut(actual, part)))
        yield Mismatch(key="output_contains", message="the output lacks a part", step_id=source, difference=lines)
    if expected.output_schema is not None:
        for violation in list(make_validator(expected.output_schema).iter_errors(actual))[:10]:
            where = "/".join(map(str, violation.instance_path)) or "the output"
            yield Mismatch(key="output_schema", message=f"{where}: {violation.message}", step_id=source)


def _has(actual: JSONValue, part: JSONValue) -> bool:
    if isinstance(actual, str) and isinstance(part, str):
        return part in actual
    return contains(actual, part)


def _cut(actual: JSONValue, part: JSONValue) -> JSONValue:
    """Return of an output what a part of it speaks of, so that the difference shows no more."""
    if isinstance(actual, dict) and isinstance(part, dict):
        return {key: _cut(actual[key], part[key]) for key in part if key in actual}
    return actual


def _source(plan: Plan) -> str | None:
    """Return the step that an output comes from, where it is one."""
    workflow = plan.workflow
    if workflow.output is msgspec.UNSET and not workflow.outputs:
        return workflow.steps[-1].id
    found = {spec.from_path.split(".")[1] for spec in workflow.outputs if spec.from_path and "." in spec.from_path}
    for value in (workflow.output, *(spec.value for spec in workflow.outputs)):
        if value is not msgspec.UNSET:
            found |= set(_read_by(value, plan))
    return found.pop() if len(found) == 1 else None


def _read_by(value: JSONValue, plan: Plan) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _read_by(item, plan)
    elif isinstance(value, str) and value in plan.templates:
        for reference in plan.templates[value].references:
            if reference.root == "steps" and reference.path:
                yield str(reference.path[0])


def _steps(expected: Expectation, execution: Execution) -> Iterator[Mismatch]:
    for step in execution.steps:
        wanted = expected.steps.get(step.step_id, step.status)
        if step.status != wanted:
            why = f" ({step.error})" if step.error else " (its condition is false)" if step.reason == "when" else ""
            message = f"step '{step.step_id}' is {step.status}{why}, not {wanted}"
            yield Mismatch(key="steps", message=message, step_id=step.step_id)


def _calls(expected: Expectation, calls: list[MadeCall]) -> Iterator[Mismatch]:
    for wanted in expected.calls:
        made = [call for call in calls if matches(call.tool, wanted.tool)]
        if len(made) != wanted.count:
            by = ", ".join(dict.fromkeys(call.step_id for call in made))
            where = f" (by {by})" if by else ""
            message = f"'{wanted.tool}' is called {len(made)} times{where}, not {wanted.count}"
            yield Mismatch(key="calls", message=message, step_id=made[0].step_id if made else None)
        for number, (call, params) in enumerate(zip(made, wanted.params or (), strict=False), 1):
            if not contains(call.params, params):
                lines = tuple(difference(params, _cut(call.params, params)))
                message = f"call {number} of '{wanted.tool}' by step '{call.step_id}' has other parameters"
                yield Mismatch(key="calls", message=message, step_id=call.step_id, difference=lines)


def _short(value: JSONValue) -> str:
    return beginning(text(value), 100)
