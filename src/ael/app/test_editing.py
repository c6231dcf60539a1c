"""Writes tests into workflow files: one from a recorded execution, and expectations as they came out.

A file is edited as text, so that comments and layout stay; what was written is read back and compared before the file
is replaced, in one step. Raises `WorkflowInvalid` where a file cannot take the change.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ael.app.application import App
from ael.app.recorded import Recorded, read_recorded
from ael.app.testing import Mismatch, TestReport
from ael.errors import REGISTRY, ErrorRecord, ExecutionNotFound, Problem, WorkflowInvalid
from ael.journal.fold import Execution, ItemRun, StepRun, ToolCallRecord
from ael.observe.masking import Masker
from ael.tools.mocked import matches, same
from ael.values import JSONValue
from ael.workflow.file_tests import CALL_ERRORS, is_answer
from ael.workflow.load import load_text
from ael.workflow.yaml_reader import Node, Reader

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_WIDTH = 100
#: What a test of the file says, as JSON.
Entry = dict[str, JSONValue]


class _Dumper(yaml.SafeDumper):
    """Writes text plainly only where every reader of YAML takes it for text, and lists inside of their keys."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _represent_text(dumper: _Dumper, value: str) -> Any:  # noqa: ANN401 # yaml's node
    if "\n" in value.strip("\n") and all(line == line.rstrip() and line.isprintable() for line in value.split("\n")):
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def _dump(value: JSONValue, indent: int, *, flow: bool = False) -> str:
    made: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=flow or None
    )
    return "".join(" " * indent + line if line.strip() else line for line in made.splitlines(keepends=True))


# -- from an execution to a test --------------------------------------------------------------------------------


async def test_of(app: App, recorded: Recorded) -> Entry:
    """Return a test that repeats a recorded execution: its inputs, what its tools answered, how it ended."""
    execution = Masker(recorded.secrets).record(recorded.execution)
    mocks: dict[str, list[JSONValue]] = {}
    for call in [call async for call in _calls(app, execution, recorded)]:
        if call.error is not None and call.error.code == "TOOL_REJECTED" and not call.resolved:
            # Out of the workflow's scope: the test refuses it by itself.
            continue
        mocks.setdefault(call.tool, []).append(_answer(call))
    made: Entry = {"name": f"as in {execution.execution_id[:13]}"}
    made |= {"inputs": dict(execution.inputs)} if execution.inputs else {}
    made |= {"mocks": dict(mocks)} if mocks else {}
    return made | {"expect": _expected(execution, {tool: len(answers) for tool, answers in mocks.items()})}


def _expected(execution: Execution, calls: dict[str, JSONValue]) -> Entry:
    expect: Entry = {}
    if execution.status == "completed":
        expect["output"] = execution.outputs
    else:
        expect["status"] = execution.status
        if execution.error is not None:
            expect["error"] = execution.error.code
    odd: dict[str, JSONValue] = {
        step.step_id: step.status for step in execution.steps if step.status in {"skipped", "failed"}
    }
    expect |= {"steps": odd} if odd else {}
    return expect | ({"calls": calls} if calls else {})


async def _calls(app: App, execution: Execution, recorded: Recorded) -> AsyncIterator[ToolCallRecord]:
    """Yield the calls of an execution and its children, steps in the file's order."""
    for run in _runs(execution):
        for call in run.calls:
            yield call
    for child_id in recorded.children():
        try:
            child = await read_recorded(app, child_id)
        except ExecutionNotFound:
            # The attempt failed before its child began.
            continue
        async for call in _calls(app, Masker(child.secrets).record(child.execution), child):
            yield call


def _runs(execution: Execution) -> Iterator[StepRun | ItemRun]:
    for step in execution.steps:
        if step.items is None:
            yield step
        else:
            yield from step.items


def _answer(call: ToolCallRecord) -> JSONValue:
    error = call.error
    if error is None:
        wrapped = isinstance(call.result, dict) and is_answer(call.result)
        return {"returns": call.result} if wrapped else call.result
    return _error_answer(error)


def _error_answer(error: ErrorRecord) -> Entry:
    code = error.code if error.code in CALL_ERRORS else "TOOL_FAILED"
    made: Entry = {"error": code}
    if error.detail:
        made["detail"] = error.detail
    if error.retryable is not REGISTRY[code].retryable_by_default:
        made["retryable"] = error.retryable
    return made


def append_test(path: str, entry: Entry) -> str:
    """Write a test at the end of a file's `tests:` and return its name, which gets a number where it is taken."""
    text = _read(path)
    known = [str(test.get("name")) for test in _entries(text, path)]
    name = entry["name"]
    number = 2
    while entry["name"] in known:
        entry = {**entry, "name": f"{name} ({number})"}
        number += 1
    changed = _appended(text, path, entry)
    _replace(path, text, changed, lambda entries: len(entries) == len(known) + 1 and same(dict(entries[-1]), entry))
    return str(entry["name"])


def _appended(text: str, path: str, entry: Entry) -> str:
    root = _compose(text, path)
    found = [(key, value) for key, value in root.value if key.value == "tests"]
    if not found:
        return text.rstrip() + "\n\ntests:\n" + _dump([entry], 2)
    key, value = found[0]
    if value.id == "sequence" and not value.flow_style:
        at = _end(text, value)
        return text[:at] + _dump([entry], value.start_mark.column) + text[at:]
    if value.id == "sequence" and value.value:
        raise _refused(path, "'tests' is written in brackets; write it as lines that begin with '-'")
    return text[: key.start_mark.index] + "tests:\n" + _dump([entry], 2).rstrip("\n") + text[value.end_mark.index :]


# -- from a report to expectations ------------------------------------------------------------------------------


def update_expectation(path: str, report: TestReport) -> list[Mismatch]:
    """Write into the file what a failed test came to; return what cannot be written and needs a person."""
    text = _read(path)
    entries = _entries(text, path)
    index = next(
        (at for at, entry in enumerate(entries) if (entry.get("name") or f"test {at + 1}") == report.name), None
    )
    if index is None:
        raise _refused(path, f"there is no test '{report.name}' any more")
    if any(not mismatch.key for mismatch in report.mismatches):
        # What came out without an answer is not what the workflow does.
        return list(report.mismatches)
    old = entries[index].get("expect") or {}
    assert isinstance(old, dict)
    new, left = _updated(old, report)
    if new != old:
        changed = _with_expectation(text, path, index, new)
        _replace(path, text, changed, lambda found: same(found[index].get("expect"), new))
    return left


def _updated(old: Entry, report: TestReport) -> tuple[Entry, list[Mismatch]]:
    new, left = dict(old), []
    run = report.execution
    for mismatch in report.mismatches:
        match mismatch.key:
            case "status" | "error" if run is not None:
                _update_status(new, run)
            case "output" if run is not None and run.status == "completed":
                new["output"] = run.outputs
            case "steps":
                steps = new["steps"]
                assert isinstance(steps, dict)
                new["steps"] = {step: report.steps.get(step, status) for step, status in steps.items()}
            case "calls" if run is not None:
                _update_calls(new, run)
            case _:
                left.append(mismatch)
    return new, left


def _update_status(new: Entry, run: Execution) -> None:
    new.pop("error.code", None)
    if run.error is None:
        new.pop("error", None)
        if "status" in new:
            new["status"] = run.status
        return
    new["status"], new["error"] = run.status, run.error.code
    for key in ("output", "output_contains", "output_schema"):
        # A failed execution has no output to compare.
        new.pop(key, None)


def _update_calls(new: Entry, run: Execution) -> None:
    wanted = new["calls"]
    assert isinstance(wanted, dict)
    made = [call for one in _runs(run) for call in one.calls if call.resolved]
    found: dict[str, JSONValue] = {}
    for tool, old in wanted.items():
        calls = [call for call in made if matches(call.tool, tool)]
        found[tool] = [call.params for call in calls] if isinstance(old, list) else len(calls)
    new["calls"] = found


def _with_expectation(text: str, path: str, index: int, expect: Entry) -> str:
    root = _compose(text, path)
    item = next(value for key, value in root.value if key.value == "tests").value[index]
    found = [(key, value) for key, value in item.value if key.value == "expect"]
    column: int = item.start_mark.column
    if not found:
        if item.flow_style:
            raise _refused(path, f"test {index + 1} is written in braces; write it as lines")
        at = _end(text, item)
        return text[:at] + " " * column + "expect:\n" + _dump(expect, column + 2) + text[at:]
    key, value = found[0]
    flat = _dump(expect, 0, flow=True).strip()
    start: int = text.index(":", key.end_mark.index) + 1
    if item.flow_style or (getattr(value, "flow_style", False) and "\n" not in flat and len(flat) <= _WIDTH):
        return f"{text[:start]} {flat}{text[value.end_mark.index :]}"
    block: str = "\n" + _dump(expect, key.start_mark.column + 2)
    if getattr(value, "flow_style", True):
        return text[:start] + block.rstrip("\n") + text[value.end_mark.index :]
    return text[:start] + block + text[_end(text, value) :]


# -- files ------------------------------------------------------------------------------------------------------


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, f"it cannot be read: {error}") from error


def _compose(text: str, path: str) -> Node:
    root: Node = yaml.compose(text, Loader=yaml.BaseLoader)
    if root is None or root.id != "mapping" or root.flow_style:
        raise _refused(path, "it is written in braces; write the workflow as lines")
    return root


def _entries(text: str, path: str) -> list[Entry]:
    reader = Reader(text, path)
    found: Any = reader.json(reader.root(), "")
    return list(found.get("tests") or [])


def _end(text: str, node: Node) -> int:
    """Return where the lines of a block end: the parser says where the next begins, comments and all between."""
    lines = text[: node.end_mark.index].splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n") and not lines[-1].strip():
        lines.pop()
    while lines and _is_between(lines[-1], node.start_mark.column):
        lines.pop()
    return sum(map(len, lines))


def _is_between(line: str, column: int) -> bool:
    """Tell a line that belongs to what follows: an empty one, or a comment that is not indented as the block is."""
    stripped = line.strip()
    return not stripped or (stripped.startswith("#") and len(line) - len(line.lstrip()) <= column)


def _replace(path: str, old: str, new: str, is_right: Callable[[list[Entry]], bool]) -> None:
    """Replace a file in one step, once the new text was read back and found to say what it should."""
    if not old.endswith("\n") and new.startswith(old):
        new = f"{old}\n{new[len(old) :]}"
    if "\r\n" in old:
        new = new.replace("\r\n", "\n").replace("\n", "\r\n")
    load_text(new, path)
    if not is_right(_entries(new, path)):
        raise _refused(path, "the test would not read back as it is; write it by hand")
    target = Path(os.path.realpath(path))
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(new.encode())
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), target.stat().st_mode & 0o777)
        Path(temporary).replace(target)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise _refused(path, f"it cannot be written: {error.strerror}") from error


def _refused(path: str, why: str) -> WorkflowInvalid:
    return WorkflowInvalid([Problem(message=f"'{path}' cannot be changed: {why}")])
