"""YAML → `Definition`: every shorthand resolved, every problem of the file reported at once.

What needs the graph or the templates (unknown steps, cycles, expressions) is checked by `ael.plan`.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime
from keyword import iskeyword
from pathlib import Path
from typing import Any, Literal

import msgspec

from ael.errors import REGISTRY, Problem, WorkflowInvalid, did_you_mean, nearest
from ael.values import JSONValue
from ael.workflow.file_tests import FileTestReader, check_steps
from ael.workflow.inputs import TYPE_OF, check_default, compile_pattern, enum_violations, schema_problem
from ael.workflow.model import (
    Annotations,
    ApprovalStep,
    CodeStep,
    Compensation,
    Defaults,
    Definition,
    FileTest,
    InputSpec,
    OutputSpec,
    Packages,
    RetryPolicy,
    Schema,
    Source,
    Step,
    ToolStep,
    WaitStep,
    Workflow,
    WorkflowStep,
)
from ael.workflow.yaml_reader import (
    MAX_TEXT,
    Node,
    Reader,
    Unreadable,
    as_seconds,
    child,
    describe,
    join,
    plural,
    record_fields,
)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_STEP_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
_REFERENCE = re.compile(rf"{_NAME.pattern}(@{_VERSION.pattern})?")
_TOOL = re.compile(r"[^\s{}]{1,200}")
_PROGRAM = "Write it under `params:`, as `code: |`."
#: A text that is one template from end to end; one whose strings hold `}}` is bound as a value instead, which is safe.
_ONE_TEMPLATE = re.compile(r"\s*\{\{(?:(?!\}\}).)*\}\}\s*", re.DOTALL)

KINDS = ("tool", "code", "workflow", "approval", "wait")
TOP_KEYS = [
    *("name", "version", "description", "title", "tags", "inputs", "steps", "output", "outputs", "defaults"),
    *("timeout", "packages", "tools", "on_failure", "finally", "tests", "expose", "annotations"),
]
COMMON_STEP_KEYS = [
    *("id", "description", "depends_on", "when", "foreach", "as", "max_parallel", "on_item_error", "timeout"),
    *("on_error", "retry", "idempotent", "compensate"),
]
STEP_KEYS = {
    "tool": ["tool", "params"],
    "code": ["code", "templates"],
    "workflow": ["workflow", "params"],
    "approval": ["approval"],
    "wait": ["wait"],
}
_CONSTRAINTS = {
    "pattern": {"string"},
    "min_length": {"string"},
    "max_length": {"string"},
    "minimum": {"integer", "number"},
    "maximum": {"integer", "number"},
    "items": {"array"},
    "properties": {"object"},
}


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
        self.ids: dict[str, Node] = {}

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
        self._check_numbers(root, timeout=values.get("timeout"))
        if values.get("tests"):
            sections = (values.get(section) or () for section in ("steps", "on_failure", "finally_"))
            known = [step.id for section in sections for step in section]
            check_steps(reader, entries["tests"][1], values["tests"], known)
        if any(problem.severity == "error" for problem in reader.problems):
            return None
        return Workflow(**values)

    def _check_numbers(self, node: Node, **values: float | None) -> None:
        """Report keys of a mapping whose number is not above 0; a timeout's is of seconds."""
        for key, value in values.items():
            if value is not None and value <= 0:
                unit = "a number of seconds" if key == "timeout" else "a number"
                self.reader.problem(child(node, key), f"'{key}' is {unit} above 0, not {value:g}", "")

    # -- top level ----------------------------------------------------------------------------------------------

    def name(self, node: Node) -> str:
        value: str | None = self.reader.read(node, str, "name")
        if value is not None and not _NAME.fullmatch(value):
            self.reader.problem(
                node,
                f"the name '{value[:80]}' is not a letter followed by at most 63 letters, digits, _ and -",
                _suggest_name(value),
            )
        return value or ""

    def version(self, node: Node) -> str:
        text: str = node.value if node.id == "scalar" else ""
        if not _VERSION.fullmatch(text):
            what = describe(self.reader, node)
            self.reader.problem(node, f"the version is like 1, 1.0 or 2.1.3, not {what}", "")
        return text

    def output(self, node: Node) -> JSONValue:
        return self.reader.json(node, "output")

    def steps(self, node: Node) -> tuple[Step, ...]:
        found = self.section(node, "steps")
        if node.id == "sequence" and not node.value:
            self.reader.problem(node, "a workflow has at least one step", "")
        return found

    def on_failure(self, node: Node) -> tuple[Step, ...]:
        return self.section(node, "on_failure")

    def finally_(self, node: Node) -> tuple[Step, ...]:
        return self.section(node, "finally")

    def section(self, node: Node, name: str) -> tuple[Step, ...]:
        if node.id != "sequence":
            hint = "Put a dash before each step: `- id: first`."
            self.reader.problem(node, f"'{name}' is a list of steps, not {describe(self.reader, node)}", hint)
            return ()
        steps = [self.step(item, f"{name}[{index}]") for index, item in enumerate(node.value)]
        return tuple(step for step in steps if step is not None)

    def expose(self, node: Node) -> bool:
        return bool(self.reader.read(node, bool, "expose"))

    def defaults(self, node: Node) -> Defaults:
        found = self.reader.read_record(node, Defaults, "defaults")
        if found is None:
            return Defaults()
        self._check_numbers(node, timeout=found.timeout)
        limits = found.sandbox
        self._check_numbers(child(node, "sandbox"), timeout=limits.timeout, max_memory=limits.max_memory)
        if limits.max_tool_calls is not None and limits.max_tool_calls < 0:
            place = child(child(node, "sandbox"), "max_tool_calls")
            self.reader.problem(place, f"'max_tool_calls' is not below 0, as {limits.max_tool_calls} is", "")
        if found.retry is not None:
            self._check_retry(child(node, "retry"), found.retry)
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
                self._check_tool(place, name)
        return found

    def _check_tool(self, node: Node, name: str) -> None:
        if "{{" in name:
            hint = "Use `when` on two steps."
            self.reader.problem(node, "the name of a tool cannot be a template", hint)
        elif not _TOOL.fullmatch(name):
            shown = describe(self.reader, node)
            self.reader.problem(node, f"a tool is named without spaces and braces, not {shown}", "")

    # -- inputs and outputs -------------------------------------------------------------------------------------

    def inputs(self, node: Node) -> tuple[InputSpec, ...]:
        found: list[InputSpec] = []
        names: dict[str, Node] = {}
        for name, key, value, path in self._declarations(node, "inputs"):
            if name in names:
                self.reader.problem(key, f"the input '{name}' is declared twice", "Remove one of them.")
            names[name] = key
            if not _STEP_ID.fullmatch(name):
                hint = f"Write '{_underscored(name)}'."
                self.reader.problem(key, f"the input name '{name}' is not letters, digits and _", hint)
            spec = self._input(name, key, value, path)
            if spec is not None:
                found.append(spec)
        return tuple(found)

    def _declarations(self, node: Node, section: str) -> list[tuple[str, Node, Node | None, str]]:
        """Return (name, key node, value node, path) of inputs or outputs in the list or mapping form."""
        found: list[tuple[str, Node, Node | None, str]] = []
        if node.id == "mapping":
            return [(key.value, key, value, join(section, key.value)) for key, value in node.value]
        if node.id != "sequence":
            what = describe(self.reader, node)
            self.reader.problem(node, f"'{section}' is a list or a mapping, not {what}", "")
            return found
        for index, item in enumerate(node.value):
            path = f"{section}[{index}]"
            if item.id == "scalar" and section == "inputs":
                found.append((item.value, item, None, path))
            elif item.id == "mapping" and len(item.value) == 1:
                key, value = item.value[0]
                found.append((key.value, key, value, join(path, key.value)))
            elif item.id == "mapping" and any(key.value == "name" for key, _ in item.value):
                name = next(value for key, value in item.value if key.value == "name")
                found.append((name.value if name.id == "scalar" else "", name, item, path))
            else:
                self.reader.problem(
                    item,
                    f"an entry of '{section}' is one name with its declaration, not {_count(self.reader, item)}",
                    "Write `- NAME: {…}`, one dash for each.",
                )
        return found

    def _input(self, name: str, key: Node, node: Node | None, path: str) -> InputSpec | None:
        reader = self.reader
        if node is None:
            return InputSpec(name=name)
        if node.id != "mapping":
            default = reader.json(node, path)
            if default is None:
                # `- url:` declares, as `- url` does.
                return InputSpec(name=name)
            return InputSpec(name=name, default=default, required=False, type=TYPE_OF[type(default)])
        entries = {found: pair for found, pair in reader.entries(node, path).items() if found != "name"}
        fields = record_fields(InputSpec)
        reader.unknown_keys(entries, [known for known in fields if known != "name"], f"input '{name}'")
        before = len(reader.problems)
        values: dict[str, Any] = {
            found: reader.read(pair[1], fields[found][1], join(path, found))
            for found, pair in entries.items()
            if found in fields
        }
        if len(reader.problems) > before:
            return None
        default = values.get("default", msgspec.UNSET)
        if "type" not in values:
            values["type"] = (
                TYPE_OF[type(default)] if default is not msgspec.UNSET and default is not None else "string"
            )
        if default is not msgspec.UNSET:
            values["required"] = False
        spec = InputSpec(name=name, **values)
        self._check_input(spec, entries)
        return spec

    def _check_input(self, spec: InputSpec, entries: dict[str, tuple[Node, Node]]) -> None:
        reader = self.reader
        for key, kinds in _CONSTRAINTS.items():
            if key in entries and spec.type not in kinds:
                reader.problem(
                    entries[key][0], f"'{key}' has no effect on an input of type {spec.type}", "", warning=True
                )
        if spec.pattern is not None:
            reason = compile_pattern(spec.pattern)
            if isinstance(reason, str):
                reader.problem(entries["pattern"][1], f"the pattern is not a regular expression: {reason}", "")
                return
        self._check_ranges(spec, entries)
        for message in enum_violations(spec):
            reader.problem(entries["enum"][1], message, "")
        before = len(reader.problems)
        for key in ("items", "properties"):
            if key in entries:
                self._check_schema(entries[key][1], {key: getattr(spec, key)})
        if "default" in entries and len(reader.problems) == before:
            for message in check_default(spec):
                reader.problem(entries["default"][1], f"the default of '{spec.name}' {message}", "")

    def _check_ranges(self, spec: InputSpec, entries: dict[str, tuple[Node, Node]]) -> None:
        reader = self.reader
        for key in ("min_length", "max_length"):
            length = getattr(spec, key)
            if length is not None and length < 0:
                reader.problem(entries[key][1], f"'{key}' is not below 0, as {length} is", "")
        for least, most in (("minimum", "maximum"), ("min_length", "max_length")):
            low, high = getattr(spec, least), getattr(spec, most)
            if low is not None and high is not None and low > high:
                reader.problem(entries[most][1], f"'{most}' {high:g} is below '{least}' {low:g}", "Exchange them.")

    def _check_schema(self, node: Node, schema: Schema) -> None:
        problem = schema_problem(schema)
        if problem:
            self.reader.problem(node, f"not a JSON Schema: {problem}", "")

    def outputs(self, node: Node) -> tuple[OutputSpec, ...]:
        found: list[OutputSpec] = []
        names: set[str] = set()
        for name, key, value, path in self._declarations(node, "outputs"):
            if name in names:
                self.reader.problem(key, f"the output '{name}' is declared twice", "Remove one of them.")
            names.add(name)
            if value is None or value.id != "mapping":
                hint = f"Write `{name}: {{value: …}}` or `{name}: {{from_path: …}}`."
                self.reader.problem(key, f"the output '{name}' is a mapping", hint)
                continue
            self.reader.mark(path, value)
            spec = self._output(name, key, value, path)
            if spec is not None:
                found.append(spec)
        return tuple(found)

    def _output(self, name: str, key: Node, node: Node, path: str) -> OutputSpec | None:
        reader = self.reader
        entries = {found: pair for found, pair in reader.entries(node, path).items() if found != "name"}
        fields = record_fields(OutputSpec)
        reader.unknown_keys(entries, [known for known in fields if known != "name"], f"output '{name}'")
        given = [found for found in ("from_path", "value") if found in entries]
        if len(given) != 1:
            message = "has both 'from_path' and 'value'" if given else "needs 'from_path' or 'value'"
            if not any(reader.misspelled(entries, found, list(fields)) for found in ("from_path", "value")):
                reader.problem(key, f"the output '{name}' {message}", "")
            return None
        before = len(reader.problems)
        values = {
            found: reader.read(pair[1], fields[found][1], join(path, found))
            for found, pair in entries.items()
            if found in fields
        }
        if len(reader.problems) > before:
            return None
        spec = OutputSpec(name=name, **values)
        if spec.schema is not None:
            self._check_schema(entries["schema"][1], spec.schema)
        return spec

    # -- steps --------------------------------------------------------------------------------------------------

    def step(self, node: Node, path: str) -> Step | None:
        reader = self.reader
        if node.id != "mapping":
            reader.problem(node, f"a step is a mapping, not {describe(reader, node)}", "Write `- id: name`.")
            return None
        entries = reader.entries(node, path)
        step_id = self._step_id(node, entries, path)
        where = f"step '{step_id}'" if step_id else "the step"
        kinds = [kind for kind in KINDS if kind in entries]
        if len(kinds) != 1:
            at = entries[kinds[1]][0] if kinds else node
            count = {2: "two", 3: "three"}.get(len(kinds), str(len(kinds)))
            found = f"has {count} kinds: {plural(kinds)}" if kinds else f"has no kind of {', '.join(KINDS)}"
            known = [*COMMON_STEP_KEYS, *(key for keys in STEP_KEYS.values() for key in keys)]
            if kinds or not any(reader.misspelled(entries, kind, known) for kind in KINDS):
                reader.problem(at, f"{where} {found}", "Make two steps of it." if kinds else "")
            reader.unknown_keys(entries, known, where)
            return None
        kind = kinds[0]
        hint = "What it hands over stands under `params:`." if "params" in STEP_KEYS[kind] else ""
        reader.unknown_keys(entries, [*COMMON_STEP_KEYS, *STEP_KEYS[kind]], f"{where} of kind '{kind}'", hint)
        before = len(reader.problems)
        common = self._common(entries, path)
        build = {
            "tool": self._tool,
            "code": self._code,
            "workflow": self._child,
            "approval": self._approval,
            "wait": self._wait,
        }[kind]
        made = build(entries, path, {"id": step_id, **common})
        failed = any(problem.severity == "error" for problem in reader.problems[before:])
        return None if failed or not step_id else made

    def _step_id(self, node: Node, entries: dict[str, tuple[Node, Node]], path: str) -> str:
        reader = self.reader
        if "id" not in entries:
            reader.problem(node, "a step needs an id", "Add `id: name`.")
            return ""
        place = entries["id"][1]
        step_id: str = reader.read(place, str, join(path, "id")) or ""
        if step_id and not _STEP_ID.fullmatch(step_id):
            hint = f"Write '{_underscored(step_id)}'."
            why = "a hyphen reads as minus in templates" if "-" in step_id else "it is letters, digits and _"
            reader.problem(place, f"the step id '{step_id}' is not allowed: {why}", hint)
        elif step_id in self.ids:
            line = self.ids[step_id].start_mark.line + 1
            reader.problem(place, f"the step id '{step_id}' stands twice, first on line {line}", "Rename one of them.")
        elif step_id:
            self.ids[step_id] = place
        return step_id

    def _common(self, entries: dict[str, tuple[Node, Node]], path: str) -> dict[str, Any]:
        reader = self.reader
        fields = record_fields(WaitStep)
        renamed = {"as": "item_name"}
        values: dict[str, Any] = {}
        for key, (_, node) in entries.items():
            where = join(path, key)
            if key in {"id", *KINDS, "params", "templates"} or key not in COMMON_STEP_KEYS:
                continue
            if key == "depends_on":
                values[key] = self._depends_on(node, where)
            elif key == "retry":
                values[key] = reader.read_record(node, RetryPolicy, where)
                if isinstance(values[key], RetryPolicy):
                    self._check_retry(node, values[key])
            elif key == "compensate":
                values[key] = self._compensation(node, where)
            elif key == "foreach":
                values[key] = self._foreach(node, where)
            elif key == "when" and node.id == "scalar" and reader.scalar(node) in (None, ""):
                # Absent would mean always: nobody writes the key for that.
                reader.problem(node, "'when' is empty", "Write an expression, or remove the key.")
            else:
                name = renamed.get(key, key)
                values[name] = reader.read(node, fields[name][1], where)
        self._check_common(values, entries)
        return values

    def _check_common(self, values: dict[str, Any], entries: dict[str, tuple[Node, Node]]) -> None:
        reader = self.reader
        timeout = values.get("timeout")
        if timeout is not None and timeout <= 0:
            message = f"'timeout' is a number of seconds above 0, not {timeout:g}"
            reader.problem(entries["timeout"][1], message, "")
        parallel = values.get("max_parallel")
        if parallel is not None and not 1 <= parallel <= 1000:
            reader.problem(entries["max_parallel"][1], f"'max_parallel' is between 1 and 1000, not {parallel}", "")
        name = values.get("item_name")
        if name is not None and not _STEP_ID.fullmatch(name):
            reader.problem(entries["as"][1], f"'{name}' cannot name the item", f"Write '{_underscored(name)}'.")
        elif name is not None and (name in _RESERVED or iskeyword(name) or iskeyword(name.capitalize())):
            hint = f"Write '{name}_item', say."
            reader.problem(entries["as"][1], f"'{name}' cannot name the item: it has a meaning already", hint)
        for key in ("as", "max_parallel", "on_item_error"):
            if key in entries and "foreach" not in entries:
                reader.problem(entries[key][0], f"'{key}' has no effect without 'foreach'", "", warning=True)

    def _depends_on(self, node: Node, path: str) -> tuple[str, ...]:
        hint = str if node.id == "scalar" else tuple[str, ...]
        value = self.reader.read(node, hint, path)
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else tuple(item for item in value if item is not None)

    def _foreach(self, node: Node, path: str) -> str | None:
        if node.id == "scalar":
            value = self.reader.scalar(node)
            if isinstance(value, str) and value.strip():
                return value
            message = f"'foreach' is an expression that gives a list, not {describe(self.reader, node)}"
            self.reader.problem(node, message, "Write `foreach: inputs.NAME` or a list.")
            return None
        literal = self.reader.json(node, path)
        if _holds_template(literal):
            hint = "Write the whole as one expression: `foreach: \"{{ [inputs.a, 'b'] }}\"`."
            self.reader.problem(node, "a list written out under 'foreach' holds no templates", hint)
            return None
        return _literal(literal)

    def _check_retry(self, node: Node, retry: RetryPolicy) -> None:
        reader = self.reader
        attempts = retry.max_attempts
        if attempts is not None and not 1 <= attempts <= 100:
            message = f"'max_attempts' is between 1 and 100, not {attempts}"
            reader.problem(child(node, "max_attempts"), message, "It counts the first attempt.")
        for key in ("initial_delay", "max_delay", "jitter"):
            value = getattr(retry, key)
            if value is not None and value < 0:
                reader.problem(child(node, key), f"'{key}' is not below 0, as {value:g} is", "")
        if retry.backoff_multiplier is not None and retry.backoff_multiplier < 1:
            message = f"'backoff_multiplier' is at least 1, not {retry.backoff_multiplier:g}"
            reader.problem(child(node, "backoff_multiplier"), message, "")
        for place, code in zip(child(node, "retry_on").value, retry.retry_on or (), strict=False):
            if code not in REGISTRY:
                hint = did_you_mean(code[:60], REGISTRY, "code")
                reader.problem(place, f"'{code}' is no error code", hint)

    def _compensation(self, node: Node, path: str) -> Compensation | None:
        reader = self.reader
        before = len(reader.problems)
        found = reader.read_record(node, Compensation, path)
        if found is None or len(reader.problems) > before:
            # A kind may be there under a misspelled name.
            return None
        if not path.startswith("steps"):
            message = "'compensate' exists for the steps under 'steps:' only: what cleans up is not undone"
            reader.problem(node, message, "Remove it.")
        kinds = {"tool": found.tool, "code": found.code, "workflow": found.workflow}
        if sum(value is not None for value in kinds.values()) != 1:
            reader.problem(node, "'compensate' has exactly one of tool, code and workflow", "")
        elif found.code is not None and (found.params or not found.code.strip()):
            place = child(node, "params" if found.params else "code")
            message = "code takes no 'params'" if found.params else "the code is empty"
            reader.problem(place, message, "It reads `output`, `inputs` and `steps` itself.")
        elif found.tool is not None:
            self._check_tool(child(node, "tool"), found.tool)
            if found.tool == "python_exec":
                reader.problem(
                    child(node, "tool"), "python_exec undoes nothing here", "Write the program under `code:`."
                )
        elif found.workflow is not None and not _REFERENCE.fullmatch(found.workflow):
            reader.problem(child(node, "workflow"), f"'{found.workflow}' is not NAME or NAME@VERSION", "")
        self._check_numbers(node, timeout=found.timeout)
        if found.retry is not None:
            self._check_retry(child(node, "retry"), found.retry)
        return found

    def _params(self, entries: dict[str, tuple[Node, Node]], path: str) -> dict[str, JSONValue]:
        if "params" not in entries:
            return {}
        found = self.reader.read(entries["params"][1], dict[str, Any], join(path, "params"))
        return found if isinstance(found, dict) else {}

    def _tool(self, entries: dict[str, tuple[Node, Node]], path: str, common: dict[str, Any]) -> Step:
        reader = self.reader
        tool: str = reader.read(entries["tool"][1], str, join(path, "tool")) or ""
        params = self._params(entries, path)
        if tool:
            self._check_tool(entries["tool"][1], tool)
        if tool == "python_exec":
            return self._python_exec(entries, params, common)
        return ToolStep(tool=tool, params=params, **common)

    def _python_exec(
        self, entries: dict[str, tuple[Node, Node]], params: dict[str, JSONValue], common: dict[str, Any]
    ) -> Step:
        node = entries.get("params", entries["tool"])[1]
        code, timeout = params.get("code"), params.get("timeout")
        for key in params:
            if key not in {"code", "timeout"}:
                hint = did_you_mean(key, ["code", "timeout"], "parameter")
                place = next(name for name, _ in node.value if name.value == key)
                self.reader.problem(place, f"python_exec has no parameter '{key}'", hint)
        if not isinstance(code, str) or not code.strip():
            self.reader.problem(child(node, "code"), "python_exec needs its program as text in `code`", _PROGRAM)
            code = ""
        elif _ONE_TEMPLATE.fullmatch(code):
            message = "a program cannot be a template: code is never made of values"
            self.reader.problem(child(node, "code"), message, "Write the program here.")
        if timeout is not None:
            if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
                self.reader.problem(child(node, "timeout"), "'timeout' is a number of seconds above 0", "")
            else:
                common.setdefault("timeout", float(timeout))
        return CodeStep(code=code, as_tool=True, **common)

    def _code(self, entries: dict[str, tuple[Node, Node]], path: str, common: dict[str, Any]) -> Step:
        node = entries["code"][1]
        before = len(self.reader.problems)
        # `code:` alone is as empty as `code: ""`.
        empty = node.id == "scalar" and not node.style and self.reader.scalar(node) is None
        code: str = "" if empty else self.reader.read(node, str, join(path, "code")) or ""
        if not code.strip() and len(self.reader.problems) == before:
            self.reader.problem(node, "the code is empty", "Write it under `code: |`.")
        elif node.id == "scalar" and not node.style and node.end_mark.line > node.start_mark.line:
            message = "YAML joins the lines of this code into one"
            self.reader.problem(node, message, "Write it under `code: |`.", warning=True)
        templates = True
        if "templates" in entries:
            templates = self.reader.read(entries["templates"][1], bool, join(path, "templates")) is not False
        return CodeStep(code=code, templates=templates, **common)

    def _child(self, entries: dict[str, tuple[Node, Node]], path: str, common: dict[str, Any]) -> Step:
        node = entries["workflow"][1]
        name: str = self.reader.read(node, str, join(path, "workflow")) or ""
        if name and not _REFERENCE.fullmatch(name):
            self.reader.problem(node, f"'{name}' is not NAME or NAME@VERSION", "")
        return WorkflowStep(workflow=name, params=self._params(entries, path), **common)

    def _approval(self, entries: dict[str, tuple[Node, Node]], path: str, common: dict[str, Any]) -> Step | None:
        node = entries["approval"][1]
        found = self.reader.read_record(node, ApprovalForm, join(path, "approval"))
        if found is None:
            return None
        self._check_numbers(node, timeout=found.timeout)
        return ApprovalStep(
            message=found.message,
            approvers=found.approvers,
            expires_after=found.timeout,
            on_timeout=found.on_timeout,
            choices=found.choices,
            **common,
        )

    def _wait(self, entries: dict[str, tuple[Node, Node]], path: str, common: dict[str, Any]) -> Step | None:
        node = entries["wait"][1]
        before = len(self.reader.problems)
        found = self.reader.read_record(node, WaitForm, join(path, "wait"))
        if found is None or len(self.reader.problems) > before:
            return None
        if (found.seconds is None) == (found.until is None):
            self.reader.problem(node, "'wait' has exactly one of 'seconds' and 'until'", "")
        if found.seconds is not None:
            self._check_wait_seconds(child(node, "seconds"), found.seconds)
        if found.until is not None and "{{" not in found.until:
            self._check_wait_until(child(node, "until"), found.until)
        return WaitStep(seconds=found.seconds, until=found.until, **common)

    def _check_wait_seconds(self, node: Node, seconds: float | str) -> None:
        if isinstance(seconds, str):
            if "{{" in seconds:
                return
            number = as_seconds(seconds)
            hint = f"Write `seconds: {number}`." if number else ""
            self.reader.problem(node, f"'seconds' is a number or a template, not {describe(self.reader, node)}", hint)
        elif seconds < 0:
            self.reader.problem(node, f"'seconds' is not below 0, as {seconds:g} is", "")

    def _check_wait_until(self, node: Node, until: str) -> None:
        try:
            datetime.fromisoformat(until)
        except ValueError:
            what = describe(self.reader, node)
            hint = "Write it like 2030-01-31T09:00:00Z."
            self.reader.problem(node, f"'until' is a time or a template, not {what}", hint)


class ApprovalForm(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under `approval:`."""

    #: What the person is asked.
    message: str
    #: Who may answer; nobody named: everybody who may run the workflow.
    approvers: tuple[str, ...] = ()
    #: Seconds until `on_timeout` decides; absent: waits for ever.
    timeout: float | None = None
    #: What happens when nobody answers in time.
    on_timeout: Literal["fail", "approve", "reject"] = "fail"
    #: Answers to choose from.
    choices: tuple[str, ...] = ()


class WaitForm(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under `wait:`; exactly one of the two."""

    #: A number, or a template that gives one.
    seconds: float | str | None = None
    #: A time in ISO 8601, or a template that gives one.
    until: str | None = None


#: Names of the scope, and words of the expression language that are not words of Python.
_RESERVED = frozenset(
    {"inputs", "steps", "index", "execution", "workflow", "error", "env", "output", "context", "tools", "true", "false"}
)
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


def _count(reader: Reader, node: Node) -> str:
    """Say what an entry is instead of one name."""
    if node.id == "mapping":
        return plural([key.value for key, _ in node.value]) if 1 < len(node.value) <= 4 else f"{len(node.value)} names"
    return describe(reader, node)


def _holds_template(value: JSONValue) -> bool:
    if isinstance(value, dict):
        return any(_holds_template(key) or _holds_template(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_holds_template, value))
    return isinstance(value, str) and "{{" in value


def _underscored(name: str) -> str:
    made = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return made if re.match(r"[A-Za-z_]", made) else f"_{made}"


def _suggest_name(name: str) -> str:
    made = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:64]
    return f"Write '{made}'." if _NAME.fullmatch(made) else ""


def _literal(value: JSONValue) -> str:
    """Return a value as an expression; Jinja2's syntax includes JSON but for null."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        return repr(value)
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
