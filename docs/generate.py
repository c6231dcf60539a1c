"""Writes the pages that the code itself knows best: `uv run python docs/generate.py`. A test holds them to it."""

from __future__ import annotations

import textwrap
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from ael.engine.retry import BUILT_IN
from ael.errors import registered
from ael.values import JSONValue
from ael.workflow import file_steps, file_tests, model
from ael.workflow.schema import comments
from ael.workflow.yaml_reader import record_fields
from native_tools.catalog import GROUPS
from native_tools.tool import Hints, Schema, Tool

PAGES = Path(__file__).parent

_ERRORS = """# Errors

Every error that reaches a person, an agent, a log or a record has `code`, `category`, `message`, `detail`,
`suggestion` and `retryable`, and where they apply `step_id`, `tool_name`, `attempt`, `location` (file, line, column),
`cause` and `retry_after` (seconds that a server asks to wait). In templates `steps.ID.error` and `error` are that
object; in code `ToolError` has `code`, `message`, `detail` and `retryable`; under `--json` commands print it whole.

*Retryable* says whether `on_error: retry` tries again by itself; `retry_on` adds codes to that. A tool may say no for
one call: an error answer with `retryable: false` or an HTTP status of the 4xx kind other than 408, 425 and 429. A
server that asks to wait (`Retry-After`, or `retry_after` beside `status`) is given that time, up to `max_delay`.

Commands exit with 0 for success, 1 when the workflow, the file, the configuration or the check is wrong or failed,
2 for wrong use of the command line, 130 when interrupted and 143 when terminated.
"""

_HEADINGS = {
    "TOOL": "Tools",
    "EXECUTION": "Code and templates",
    "VALIDATION": "Files and values",
    "WORKFLOW": "Workflows and executions",
    "ACCESS": "Access",
    "SYSTEM": "The installation",
}


def errors_page() -> str:
    """Return the page of all errors."""
    parts = [_ERRORS]
    for category, heading in _HEADINGS.items():
        codes = sorted({kind.code for kind in registered() if kind.category == category})
        if codes:
            parts.append(f"## {heading}\n\n| code | message | retryable | when |\n|---|---|---|---|")
            parts += map(_row, codes)
            parts.append("")
    return "\n".join(parts)


def _row(code: str) -> str:
    kinds = sorted((kind for kind in registered() if kind.code == code), key=lambda kind: kind.__name__)
    retryable = "yes" if kinds[0].retryable_by_default else "no"
    return f"| `{code}` | {kinds[0].template} | {retryable} | {' '.join(str(kind.__doc__) for kind in kinds)} |"


_REFERENCE = """# Reference

Every key of a workflow file, from the types that AEL reads it into. [The language](language.md) explains them,
[expressions](expressions.md) what stands between braces. An unknown key is an error everywhere.
"""

#: Record → heading.
_RECORDS: dict[type[msgspec.Struct], str] = {
    model.Workflow: "The file",
    model.InputSpec: "An input",
    model.OutputSpec: "An output",
    model.RetryPolicy: "Retry",
    model.Compensation: "Compensation",
    file_steps.ApprovalForm: "Approval",
    file_steps.WaitForm: "Wait",
    model.Defaults: "Defaults",
    model.SandboxDefaults: "Limits of code",
    model.Packages: "Packages",
    model.Annotations: "Annotations",
    file_tests.FileTestForm: "A test",
    file_tests.ExpectForm: "What a test expects",
    file_tests.ExpectedErrorForm: "The error that a test expects",
}
#: Forms of the file that the model does not keep.
_FORMS = {"depends_on": "text or list of text", "version": "number or text", "foreach": "text, list or mapping"}
_STEPS = "A step"
_KINDS: dict[str, type[msgspec.Struct]] = {
    "tool": model.ToolStep,
    "code": model.CodeStep,
    "workflow": model.WorkflowStep,
    "approval": model.ApprovalStep,
    "wait": model.WaitStep,
}
_WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_Rows = list[tuple[str, str, str, str]]


def reference_page() -> str:
    """Return the page of all keys."""
    parts = [_REFERENCE]
    for record, heading in _RECORDS.items():
        if record is model.RetryPolicy:
            parts += _step_parts()
        parts.append(f"## {heading}\n\n{record.__doc__}\n")
        parts += _table(_rows(record))
    return "\n".join(parts)


def _step_parts() -> list[str]:
    parts = [f"## {_STEPS}\n\nExactly one of the kinds below, and:\n"]
    common = {row[0]: row for row in _rows(model.ToolStep)}
    parts += _table([common[key] for key in file_steps.COMMON_STEP_KEYS])
    for kind, record in _KINDS.items():
        form = {"approval": file_steps.ApprovalForm, "wait": file_steps.WaitForm}.get(kind)
        if form is None:
            known = {row[0]: row for row in _rows(record)}
        else:
            known = {kind: (kind, _kind(form), "required", "Its own mapping.")}
        parts.append(f"### {kind}\n\n{record.__doc__}\n")
        parts += _table([known[key] for key in file_steps.STEP_KEYS[kind]])
    return parts


def _rows(record: type[msgspec.Struct]) -> _Rows:
    about = comments(record)
    defaults = {field.name: field.default for field in msgspec.structs.fields(record)}
    rows: _Rows = []
    for key, (name, hint, needed) in record_fields(record).items():
        if name == "as_tool":
            continue
        shown = "as" if name == "item_name" else key
        default = getattr(BUILT_IN, name) if record is model.RetryPolicy else defaults[name]
        rows.append((shown, _FORMS.get(key) or _kind(hint), "required" if needed else _default(default), about[name]))
    return rows


def _table(rows: _Rows) -> list[str]:
    made = ["| key | form | default | |", "|---|---|---|---|"]
    made += [f"| `{key}` | {form} | {default} | {text} |" for key, form, default, text in rows]
    return [*made, ""]


def _default(value: Any) -> str:  # noqa: ANN401 # defaults are of any type
    """Return a default as YAML writes it; nothing where absent means absent."""
    if value in (msgspec.NODEFAULT, msgspec.UNSET, None, "", ()):
        return ""
    if isinstance(value, msgspec.Struct | dict):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(hint: Any) -> str:  # noqa: ANN401 # annotations are of any type
    """Return what a value of this annotation is called."""
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or hint == JSONValue or msgspec.UnsetType in arguments:
        return "any value"
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(_kind(one) for one in arguments if one is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if hint in get_args(model.Step):
        return f"[{_STEPS.lower()}](#{_anchor(_STEPS)})"
    if hint is model.FileTest:
        hint = file_tests.FileTestForm
    if hint in _RECORDS:
        return f"[{_RECORDS[hint].lower()}](#{_anchor(_RECORDS[hint])})"
    return "mapping" if origin is dict else _WORDS[hint]


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


_NATIVE = """# Reference of the native tools

Every tool with its parameters and its result, from the schemas that clients see. [Native tools](native-tools.md) tells
how they are offered and what they may reach.
"""

_GROUP_HEADINGS = {"ml": "ML"}


def native_tools_page() -> str:
    """Return the page of all native tools."""
    parts = [_NATIVE]
    for group, tools in GROUPS.items():
        parts.append(f"## {_GROUP_HEADINGS.get(group, group.capitalize())}\n")
        for tool in tools:
            parts += _tool_parts(tool)
    return "\n".join(parts)


def _tool_parts(tool: Tool) -> list[str]:
    about = [tool.description, _hints(tool.annotations)]
    parts = [f"### {tool.name}\n", *(textwrap.fill(part, 120, break_on_hyphens=False) + "\n" for part in about)]
    parts += ["| parameter | form | default | |", "|---|---|---|---|"]
    parts += [f"| `{name}` | {form} | {default} | {text} |" for name, form, default, text in _parameters(tool)]
    parts += ["", "| result | form | |", "|---|---|---|"]
    parts += [f"| `{name}` | {_form(schema)} | {_cell(schema)} |" for name, schema in _members(tool.output_schema)]
    return [*parts, ""]


def _hints(hints: Hints) -> str:
    if hints.read_only_hint:
        return "*Changes nothing; may be repeated.*" if hints.idempotent_hint else "*Changes nothing.*"
    return "*Changes what is there; may be repeated.*" if hints.idempotent_hint else "*Changes what is there.*"


def _parameters(tool: Tool) -> _Rows:
    required = tool.input_schema["required"]
    return [
        (name, _form(schema), "required" if name in required else _shown(schema), _cell(schema))
        for name, schema in tool.input_schema["properties"].items()
    ]


def _members(schema: Schema, prefix: str = "") -> list[tuple[str, Schema]]:
    """Return the members of an object, and those of the objects in them."""
    found: list[tuple[str, Schema]] = []
    for name, about in schema["properties"].items():
        found.append((prefix + name, about))
        inner = about.get("items", about)
        if "properties" in inner:
            found += _members(inner, f"{prefix}{name}{'[]' if 'items' in about else ''}.")
    return found


def _form(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{msgspec.json.encode(one).decode().strip(chr(34))}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_form(one) for one in schema["anyOf"])
    said = schema.get("type", "any value")
    words = " or ".join([said] if isinstance(said, str) else said)
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is None:
        return words if least is None else f"{words}, at least {least}"
    return f"{words}, at most {most}" if least is None else f"{words}, {least} to {most}"


def _shown(schema: Schema) -> str:
    return f"`{msgspec.json.encode(schema['default']).decode()}`" if "default" in schema else ""


def _cell(schema: Schema) -> str:
    return str(schema.get("description", "")).replace("|", "\\|").replace("\n", " ")


GENERATED = {
    "errors.md": errors_page,
    "native-tools-reference.md": native_tools_page,
    "reference.md": reference_page,
}


def main() -> None:
    """Write every page."""
    for name, page in GENERATED.items():
        (PAGES / name).write_text(page())


if __name__ == "__main__":
    main()
