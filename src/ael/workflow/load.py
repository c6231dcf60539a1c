"""YAML → `Definition`: every shorthand resolved, every problem of the file reported at once.

What needs the graph or the templates (unknown steps, cycles, expressions) is checked by `ael.plan`.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import msgspec

from ael.errors import Problem, WorkflowInvalid, nearest
from ael.values import JSONValue
from ael.workflow.declarations import DeclarationReader
from ael.workflow.file_steps import NAME, VERSION, StepReader, check_above_zero, check_retry, check_tool
from ael.workflow.file_tests import FileTestReader, check_steps
from ael.workflow.model import (
    Annotations,
    Defaults,
    Definition,
    FileTest,
    InputSpec,
    OutputSpec,
    Packages,
    Source,
    Step,
    Workflow,
)
from ael.workflow.yaml_reader import MAX_TEXT, Node, Reader, Unreadable, child, describe, record_fields

TOP_KEYS = [
    *("name", "version", "description", "title", "tags", "inputs", "steps", "output", "outputs", "defaults"),
    *("timeout", "packages", "tools", "on_failure", "finally", "tests", "expose", "annotations"),
]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A definition and what was odd about its file."""

    definition: Definition
    warnings: tuple[Problem, ...] = ()


def load_file(path: str) -> Loaded:
    """Read and load one file; raises `WorkflowInvalid`."""
    return load_text(_read(path), path)


def load_text(text: str | bytes, file: str) -> Loaded:
    """Load a definition; raises `WorkflowInvalid` with all problems, in file order."""
    try:
        reader = Reader(text, file)
        loader = _Loader(reader)
        workflow = loader.workflow(reader.root())
    except Unreadable as error:
        raise WorkflowInvalid(error.problems) from error
    order = reader.in_order()
    if workflow is None or any(problem.severity == "error" for problem in order):
        raise WorkflowInvalid(order)
    source = Source(file=file, text=reader.text, marks=reader.marks)
    return Loaded(definition=Definition(workflow=workflow, source=source), warnings=tuple(order))


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise WorkflowInvalid([Problem(message=f"there is no file '{path}'", suggestion=_close(path))]) from None
    except ValueError as error:
        raise WorkflowInvalid([Problem(message=f"'{path}' is not the name of a file")]) from error
    except OSError as error:
        raise WorkflowInvalid([Problem(message=f"'{path}' cannot be read: {error.strerror}")]) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        hint = "Name a file in it; `ael validate` takes directories." if stat.S_ISDIR(mode) else ""
        raise WorkflowInvalid([Problem(message=f"'{path}' is {what}", suggestion=hint)])
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(MAX_TEXT + 1)
        if len(text) > MAX_TEXT:
            size = os.fstat(descriptor).st_size
            message = f"'{path}' has {size} bytes, the limit is {MAX_TEXT}"
            raise WorkflowInvalid([Problem(message=message, suggestion="Split it, or move data into inputs.")])
        return text


def _close(path: str) -> str:
    """Return a suggestion of a neighbouring file whose name is near."""
    try:
        names = os.listdir(Path(path).parent)  # noqa: PTH208 # Path.iterdir lists lazily and raises in the middle
    except OSError:
        return ""
    close = nearest(Path(path).name, [name for name in names if name.endswith((".yaml", ".yml"))])
    return f"Did you mean '{close}'?" if close else ""


class _Loader:
    """Turns the nodes of one file into a `Workflow`."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._steps = StepReader(reader)
        self._declarations = DeclarationReader(reader)

    def workflow(self, root: Node) -> Workflow | None:
        reader = self.reader
        if root.id != "mapping":
            what = describe(reader, root)
            reader.problem(root, f"a workflow is a mapping, not {what}", "Start with `name:`, `version:`, `steps:`.")
            return None
        entries = reader.entries(root, "")
        reader.unknown_keys(entries, TOP_KEYS, "the workflow")
        values: dict[str, Any] = {}
        for key in ("name", "version", "steps"):
            if key not in entries and not reader.misspelled(entries, key, TOP_KEYS):
                reader.problem(root, f"the workflow needs the key '{key}'", "")
        if "output" in entries and "outputs" in entries:
            reader.problem(entries["outputs"][0], "'output' and 'outputs' exclude each other", "Keep one of them.")
        hints = record_fields(Workflow)
        for key, (_, node) in entries.items():
            if key in _SPECIAL:
                value = _SPECIAL[key](self, node)
            elif key in hints:
                value = reader.read(node, hints[key][1], key)
            else:
                continue
            values["finally_" if key == "finally" else key] = value
        check_above_zero(self.reader, root, timeout=values.get("timeout"))
        if values.get("tests"):
            sections = (values.get(section) or () for section in ("steps", "on_failure", "finally_"))
            known = [step.id for section in sections for step in section]
            check_steps(reader, entries["tests"][1], values["tests"], known)
        if any(problem.severity == "error" for problem in reader.problems):
            return None
        return Workflow(**values)

    # -- top level ----------------------------------------------------------------------------------------------

    def name(self, node: Node) -> str:
        value: str | None = self.reader.read(node, str, "name")
        if value is not None and not NAME.fullmatch(value):
            self.reader.problem(
                node,
                f"the name '{value[:80]}' is not a letter followed by at most 63 letters, digits, _ and -",
                _suggest_name(value),
            )
        return value or ""

    def version(self, node: Node) -> str:
        text: str = node.value if node.id == "scalar" else ""
        if not VERSION.fullmatch(text):
            what = describe(self.reader, node)
            self.reader.problem(node, f"the version is like 1, 1.0 or 2.1.3, not {what}", "")
        return text

    def output(self, node: Node) -> JSONValue:
        return self.reader.json(node, "output")

    def inputs(self, node: Node) -> tuple[InputSpec, ...]:
        return self._declarations.inputs(node)

    def outputs(self, node: Node) -> tuple[OutputSpec, ...]:
        return self._declarations.outputs(node)

    def steps(self, node: Node) -> tuple[Step, ...]:
        found = self._steps.section(node, "steps")
        if node.id == "sequence" and not node.value:
            self.reader.problem(node, "a workflow has at least one step", "")
        return found

    def on_failure(self, node: Node) -> tuple[Step, ...]:
        return self._steps.section(node, "on_failure")

    def finally_(self, node: Node) -> tuple[Step, ...]:
        return self._steps.section(node, "finally")

    def expose(self, node: Node) -> bool:
        return bool(self.reader.read(node, bool, "expose"))

    def defaults(self, node: Node) -> Defaults:
        found = self.reader.read_record(node, Defaults, "defaults")
        if found is None:
            return Defaults()
        check_above_zero(self.reader, node, timeout=found.timeout)
        limits = found.sandbox
        check_above_zero(self.reader, child(node, "sandbox"), timeout=limits.timeout, max_memory=limits.max_memory)
        if limits.max_tool_calls is not None and limits.max_tool_calls < 0:
            place = child(child(node, "sandbox"), "max_tool_calls")
            self.reader.problem(place, f"'max_tool_calls' is not below 0, as {limits.max_tool_calls} is", "")
        if found.retry is not None:
            check_retry(self.reader, child(node, "retry"), found.retry)
        return found

    def annotations(self, node: Node) -> Annotations | None:
        return self.reader.read_record(node, Annotations, "annotations")

    def packages(self, node: Node) -> Packages:
        return self.reader.read_record(node, Packages, "packages") or Packages()

    def tests(self, node: Node) -> tuple[FileTest, ...]:
        return FileTestReader(self.reader).read(node)

    def tools(self, node: Node) -> tuple[str, ...] | None:
        found: tuple[str, ...] | None = self.reader.read(node, tuple[str, ...] | None, "tools")
        for place, name in zip(node.value, found or (), strict=False):
            if isinstance(name, str):
                check_tool(self.reader, place, name)
        return found


_SPECIAL: dict[str, Any] = {
    "name": _Loader.name,
    "version": _Loader.version,
    "inputs": _Loader.inputs,
    "steps": _Loader.steps,
    "output": _Loader.output,
    "outputs": _Loader.outputs,
    "defaults": _Loader.defaults,
    "packages": _Loader.packages,
    "on_failure": _Loader.on_failure,
    "finally": _Loader.finally_,
    "tests": _Loader.tests,
    "tools": _Loader.tools,
    "expose": _Loader.expose,
    "annotations": _Loader.annotations,
}


def _suggest_name(name: str) -> str:
    made = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:64]
    return f"Write '{made}'." if NAME.fullmatch(made) else ""
