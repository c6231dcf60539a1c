"""The tests that a workflow file carries: what may be written under `tests:`, and what it means.

`load` reads the forms through here; the app runs them. A test needs no server: tools answer from `mocks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ael.errors import REGISTRY, did_you_mean
from ael.values import JSONValue
from ael.workflow.inputs import schema_problem
from ael.workflow.model import Answer, Expectation, ExpectedCalls, FileTest, Mock, StepId
from ael.workflow.yaml_reader import Node, Reader, child, describe

ExecutionStatus = Literal["completed", "failed", "cancelled", "timed_out", "waiting"]
StepStatus = Literal["completed", "failed", "skipped", "cancelled", "pending", "compensated"]

#: The moment at which tests stand where they name none.
_DEFAULT_TIME = datetime(2026, 1, 1, tzinfo=UTC)

#: What may stand beside `error`, `returns` and `params` in an answer.
_ANSWER_KEYS = frozenset({"params", "returns", "error", "detail", "retryable"})
_CODE = re.compile(r"[A-Z][A-Z_]*[A-Z]")
#: Codes with which a tool's call can end.
CALL_ERRORS = (
    *("TOOL_FAILED", "TOOL_TIMEOUT", "TOOL_UNAVAILABLE", "TOOL_REJECTED", "PARAM_INVALID", "OUTPUT_INVALID"),
    *("RESOURCE_EXHAUSTED", "MCP_CONNECTION_FAILED"),
)
#: The entry of `mocks` that answers approval steps.
APPROVALS = "approvals"
_VERDICTS = ("approve", "reject", "expire")


class ExpectedErrorForm(msgspec.Struct, frozen=True, kw_only=True):
    """The error that a test expects."""

    #: The error's code.
    code: str | None = None
    #: A part of its text.
    contains: str | None = None
    #: The step that fails.
    step: str | None = None


class ExpectForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a test expects; a key that is absent is not compared. Without `status` and `error`: completed."""

    #: The execution's status at its end.
    status: ExecutionStatus | None = None
    #: The whole output.
    output: JSONValue | msgspec.UnsetType = msgspec.UNSET
    #: Keys and values that the output has, among others; a part of it, where it is text.
    output_contains: JSONValue | msgspec.UnsetType = msgspec.UNSET
    #: A JSON Schema that the output matches.
    output_schema: dict[str, JSONValue] | None = None
    #: The error, or its code alone.
    error: ExpectedErrorForm | str | None = None
    #: The error's code, written as one key.
    error_code: str | None = msgspec.field(default=None, name="error.code")
    #: Step → its status.
    steps: dict[str, StepStatus] | None = None
    #: Tool or pattern → how often it is called, or a list with what each call's parameters have.
    calls: dict[str, JSONValue] | None = None


class FileTestForm(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `tests:`."""

    #: Shown in the report; chosen by `ael test -k`.
    name: str = ""
    #: For people.
    description: str = ""
    #: What the workflow is given.
    inputs: dict[str, JSONValue] = {}
    #: Tool or pattern → a list of successive answers, or one answer for every call; `approvals`: step → its verdict.
    mocks: dict[str, JSONValue] = {}
    #: What must hold; without it: that it completes.
    expect: ExpectForm = ExpectForm()
    #: What randomness in code starts from.
    seed: int = 0
    #: The time at which the execution stands, ISO 8601.
    time: str | None = None
    #: What templates read as `env.NAME`.
    env: dict[str, str] = {}


class FileTestReader:
    """Turns the forms of one file into tests, reporting what is wrong to its reader."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._names: set[str] = set()

    def read(self, node: Node) -> tuple[FileTest, ...]:
        """Return the tests under `tests:`."""
        if node.id != "sequence":
            hint = "Write `- name: …` for each test."
            self.reader.problem(node, f"'tests' is a list, not {describe(self.reader, node)}", hint)
            return ()
        found = (self._test(item, index) for index, item in enumerate(node.value))
        return tuple(test for test in found if test is not None)

    def _test(self, node: Node, index: int) -> FileTest | None:
        path = f"tests[{index}]"
        form = self.reader.read_record(node, FileTestForm, path)
        if form is None:
            return None
        name = form.name or f"test {index + 1}"
        if name in self._names:
            self.reader.problem(child(node, "name"), f"two tests have the name '{name}'", "Rename one of them.")
        self._names.add(name)
        approvals = form.mocks.get(APPROVALS, {})
        return FileTest(
            name=name,
            description=form.description,
            inputs=form.inputs,
            mocks=self._mocks(child(node, "mocks"), form.mocks),
            approvals=self._approvals(child(child(node, "mocks"), APPROVALS), approvals),
            expect=self._expectation(child(node, "expect"), form.expect),
            seed=form.seed,
            time_ms=self._time(child(node, "time"), form.time),
            env=form.env,
        )

    def _time(self, node: Node, text: str | None) -> int:
        moment = _DEFAULT_TIME
        if text is not None:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                hint = "Write it like 2030-01-31T09:00:00Z."
                self.reader.problem(node, f"'time' is a time, not {describe(self.reader, node)}", hint)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1000)

    # -- mocks --------------------------------------------------------------------------------------------------

    def _mocks(self, node: Node, mocks: Mapping[str, JSONValue]) -> tuple[Mock, ...]:
        found: list[Mock] = []
        for tool, given in mocks.items():
            if tool == APPROVALS:
                continue
            place = child(node, tool)
            if isinstance(given, list):
                nodes = place.value if place.id == "sequence" else [place] * len(given)
                answers = tuple(self._answer(at, one) for at, one in zip(nodes, given, strict=False))
                found.append(Mock(tool=tool, answers=answers, successive=True))
            else:
                found.append(Mock(tool=tool, answers=(self._answer(place, given),)))
        return tuple(found)

    def _answer(self, node: Node, given: JSONValue) -> Answer:
        """Read one answer: data as it is, unless it has the form of an answer that says more."""
        if not isinstance(given, dict) or not is_answer(given):
            return Answer(value=given)
        params, detail, retryable = given.get("params"), given.get("detail", ""), given.get("retryable")
        if params is not None and not isinstance(params, dict):
            self.reader.problem(child(node, "params"), "'params' of an answer is a mapping", "")
            params = None
        if ("returns" in given) == ("error" in given):
            hint = "Write `returns: …` for data or `error: TOOL_TIMEOUT` for an error."
            self.reader.problem(node, "an answer has one of 'returns' and 'error'", hint)
        code = given.get("error")
        if code is not None and code not in CALL_ERRORS:
            hint = did_you_mean(str(code), CALL_ERRORS, "error")
            self.reader.problem(child(node, "error"), f"a tool's call cannot end with '{code}'", hint)
        if not isinstance(detail, str):
            self.reader.problem(child(node, "detail"), "'detail' of an answer is text", "")
        if retryable is not None and not isinstance(retryable, bool):
            self.reader.problem(child(node, "retryable"), "'retryable' of an answer is true or false", "")
        return Answer(
            params=params,
            value=given.get("returns"),
            error=str(code) if code is not None else None,
            detail=str(detail),
            retryable=retryable if isinstance(retryable, bool) else None,
        )

    def _approvals(self, node: Node, given: JSONValue) -> dict[str, dict[str, JSONValue]]:
        if not isinstance(given, dict):
            hint = "Write `approvals: {STEP: approve}`."
            self.reader.problem(node, f"'approvals' is a mapping, not {describe(self.reader, node)}", hint)
            return {}
        return {step: self._verdict(child(node, step), verdict) for step, verdict in given.items()}

    def _verdict(self, node: Node, given: JSONValue) -> dict[str, JSONValue]:
        """Return `{verdict, by, comment, choice}`, each but the first optional."""
        made: dict[str, JSONValue] = dict(given) if isinstance(given, dict) else {"verdict": given}
        unknown = sorted(set(made) - {"verdict", "by", "comment", "choice"})
        if unknown or any(not isinstance(value, str) for value in made.values()):
            hint = "Write `approve`, or {verdict: approve, by: …, comment: …, choice: …}."
            self.reader.problem(node, f"{describe(self.reader, node)} is no answer to an approval", hint)
        elif made.get("verdict") not in _VERDICTS:
            hint = did_you_mean(str(made.get("verdict")), _VERDICTS, "verdict")
            self.reader.problem(node, f"an approval is one of {', '.join(_VERDICTS)}", hint)
        return made

    # -- expectations -------------------------------------------------------------------------------------------

    def _expectation(self, node: Node, form: ExpectForm) -> Expectation:
        error = form.error
        if isinstance(error, str):
            error = ExpectedErrorForm(code=error)
        error = error or ExpectedErrorForm()
        code = error.code or form.error_code
        if code is not None and code not in REGISTRY:
            place = child(node, "error.code" if form.error_code else "error")
            self.reader.problem(place, f"there is no error '{code}'", did_you_mean(code, REGISTRY, "error"))
        if form.output_schema is not None and (problem := schema_problem(form.output_schema)):
            self.reader.problem(child(node, "output_schema"), f"'output_schema' is no JSON Schema: {problem}", "")
        fails = code is not None or error.contains is not None or error.step is not None
        return Expectation(
            # A failing execution may fail, time out or be cancelled; a test that names none of them means success.
            status=form.status or (None if fails else "completed"),
            fails=fails,
            output=form.output,
            output_contains=form.output_contains,
            output_schema=form.output_schema,
            error_code=code,
            error_contains=error.contains,
            error_step=StepId(error.step) if error.step else None,
            steps=dict(form.steps or {}),
            calls=self._calls(child(node, "calls"), form.calls or {}),
        )

    def _calls(self, node: Node, given: Mapping[str, JSONValue]) -> tuple[ExpectedCalls, ...]:
        found: list[ExpectedCalls] = []
        for tool, wanted in given.items():
            match wanted:
                case bool():
                    pass
                case int() if wanted >= 0:
                    found.append(ExpectedCalls(tool=tool, count=wanted))
                    continue
                case list() if all(isinstance(one, dict) for one in wanted):
                    params = tuple(one for one in wanted if isinstance(one, dict))
                    found.append(ExpectedCalls(tool=tool, count=len(wanted), params=params))
                    continue
            hint = "Write how often it is called, or a list with the parameters of each call."
            place = child(node, tool)
            self.reader.problem(place, f"'calls' of '{tool}' is not {describe(self.reader, place)}", hint)
        return tuple(found)


def is_answer(given: Mapping[str, JSONValue]) -> bool:
    """Tell an answer that says more from data that a tool gives: `{error: "no such user"}` is data."""
    if not given or not set(given) <= _ANSWER_KEYS:
        return False
    error = given.get("error")
    return "returns" in given or "params" in given or (isinstance(error, str) and _CODE.fullmatch(error) is not None)


def check_steps(reader: Reader, node: Node, tests: Iterable[FileTest], known: Iterable[str]) -> None:
    """Report steps that tests name and the workflow has not; `node` is that of `tests:`."""
    names = list(known)
    for item, test in zip(node.value, tests, strict=False):
        expect = child(item, "expect")
        wanted = [(step, child(child(expect, "steps"), step)) for step in test.expect.steps]
        if test.expect.error_step is not None:
            wanted.append((test.expect.error_step, child(expect, "error")))
        for step, place in wanted:
            if step not in names:
                reader.problem(place, f"there is no step '{step}'", did_you_mean(step, names, "step"))
