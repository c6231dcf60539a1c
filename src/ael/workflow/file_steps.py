"""The steps of a workflow file: what each kind needs, what all of them share, what undoes them."""

from __future__ import annotations

import re
from datetime import datetime
from keyword import iskeyword
from typing import Any, Literal

import msgspec

from ael.errors import REGISTRY, did_you_mean
from ael.values import JSONValue
from ael.workflow.declarations import WORD, underscored
from ael.workflow.model import ApprovalStep, CodeStep, Compensation, RetryPolicy, Step, ToolStep, WaitStep, WorkflowStep
from ael.workflow.yaml_reader import Node, Reader, as_seconds, child, describe, join, plural, record_fields

#: Of workflows.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
_REFERENCE = re.compile(rf"{NAME.pattern}(@{VERSION.pattern})?")
_TOOL = re.compile(r"[^\s{}]{1,200}")
_PROGRAM = "Write it under `params:`, as `code: |`."
#: A text that is one template from end to end; one whose strings hold `}}` is bound as a value instead, which is safe.
_ONE_TEMPLATE = re.compile(r"\s*\{\{(?:(?!\}\}).)*\}\}\s*", re.DOTALL)

KINDS = ("tool", "code", "workflow", "approval", "wait")
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

#: Names of the scope, and words of the expression language that are not words of Python.
_RESERVED = frozenset(
    {"inputs", "steps", "index", "execution", "workflow", "error", "env", "output", "context", "tools", "true", "false"}
)


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


class StepReader:
    """Reads all steps of one file, whose ids are unique among them."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.ids: dict[str, Node] = {}

    def section(self, node: Node, name: str) -> tuple[Step, ...]:
        """Return the steps of a section; problems are the reader's."""
        if node.id != "sequence":
            hint = "Put a dash before each step: `- id: first`."
            self.reader.problem(node, f"'{name}' is a list of steps, not {describe(self.reader, node)}", hint)
            return ()
        steps = [self._step(item, f"{name}[{index}]") for index, item in enumerate(node.value)]
        return tuple(step for step in steps if step is not None)

    def _step(self, node: Node, path: str) -> Step | None:
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
        if step_id and not WORD.fullmatch(step_id):
            hint = f"Write '{underscored(step_id)}'."
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
                    check_retry(self.reader, node, values[key])
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
        if name is not None and not WORD.fullmatch(name):
            reader.problem(entries["as"][1], f"'{name}' cannot name the item", f"Write '{underscored(name)}'.")
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
            check_tool(self.reader, child(node, "tool"), found.tool)
            if found.tool == "python_exec":
                reader.problem(
                    child(node, "tool"), "python_exec undoes nothing here", "Write the program under `code:`."
                )
        elif found.workflow is not None and not _REFERENCE.fullmatch(found.workflow):
            reader.problem(child(node, "workflow"), f"'{found.workflow}' is not NAME or NAME@VERSION", "")
        check_above_zero(self.reader, node, timeout=found.timeout)
        if found.retry is not None:
            check_retry(self.reader, child(node, "retry"), found.retry)
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
            check_tool(self.reader, entries["tool"][1], tool)
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
        check_above_zero(self.reader, node, timeout=found.timeout)
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


def check_above_zero(reader: Reader, node: Node, **values: float | None) -> None:
    """Report keys of a mapping whose number is not above 0; a timeout's is of seconds."""
    for key, value in values.items():
        if value is not None and value <= 0:
            unit = "a number of seconds" if key == "timeout" else "a number"
            reader.problem(child(node, key), f"'{key}' is {unit} above 0, not {value:g}", "")


def check_tool(reader: Reader, node: Node, name: str) -> None:
    """Report what cannot be the name of a tool."""
    if "{{" in name:
        hint = "Use `when` on two steps."
        reader.problem(node, "the name of a tool cannot be a template", hint)
    elif not _TOOL.fullmatch(name):
        shown = describe(reader, node)
        reader.problem(node, f"a tool is named without spaces and braces, not {shown}", "")


def check_retry(reader: Reader, node: Node, retry: RetryPolicy) -> None:
    """Report what no policy can say."""
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


def _holds_template(value: JSONValue) -> bool:
    if isinstance(value, dict):
        return any(_holds_template(key) or _holds_template(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_holds_template, value))
    return isinstance(value, str) and "{{" in value


def _literal(value: JSONValue) -> str:
    """Return a value as an expression; Jinja2's syntax includes JSON but for null."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, str):
        return repr(value)
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
