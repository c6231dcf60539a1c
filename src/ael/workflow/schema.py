"""JSON Schema out of the types: of a workflow file for editors, of a workflow's inputs and outputs for callers.

The schema of any Struct comes from its own annotations and `#:` comments, so it cannot drift; only the shorthand
forms of the language are written out here.
"""

from __future__ import annotations

import inspect
import re
import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from ael.values import JSONValue
from ael.workflow import model
from ael.workflow.load import COMMON_STEP_KEYS
from ael.workflow.model import InputSpec, Schema, Workflow
from ael.workflow.yaml_reader import record_fields

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[Any, Schema] = {
    str: {"type": ["string", "number", "boolean"]},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}
_COMMENT = re.compile(r"^    #: (.+)$")
_FIELD = re.compile(r"^    (\w+):")


def record_schema(kind: type[msgspec.Struct]) -> Schema:
    """Return the schema of a mapping that fills a Struct."""
    comments = _comments(kind)
    properties: Schema = {}
    required: list[JSONValue] = []
    for key, (name, hint, needed) in record_fields(kind).items():
        described = hint_schema(hint)
        if name in comments:
            described = {**described, "description": comments[name]}
        properties[key] = described
        if needed:
            required.append(key)
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        made["required"] = required
    return made


def hint_schema(hint: Any) -> Schema:  # noqa: ANN401 # annotations are of any type
    """Return the schema of an annotation."""
    supertype = getattr(hint, "__supertype__", None)
    if supertype is not None:
        return hint_schema(supertype)
    if hint is Any:
        return {}
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        members = [hint_schema(member) for member in args if member is not msgspec.UnsetType]
        if {} in members:
            return {}
        return members[0] if len(members) == 1 else {"anyOf": [*members]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": hint_schema(args[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": hint_schema(args[1])}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return record_schema(hint)
    return dict(_SCALARS[hint])


@cache
def _comments(kind: type) -> dict[str, str]:
    """Return field → its `#:` comment."""
    found: dict[str, str] = {}
    gathered: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        comment, field = _COMMENT.match(line), _FIELD.match(line)
        if comment:
            gathered.append(comment[1])
        elif field:
            if gathered:
                found[field[1]] = " ".join(gathered)
            gathered = []
    return found


def workflow_schema() -> Schema:
    """Return the JSON Schema of a workflow file, for editors."""
    top = record_schema(Workflow)
    properties = top["properties"]
    assert isinstance(properties, dict)
    steps: Schema = {"type": "array", "items": {"$ref": "#/$defs/step"}}
    properties |= {
        "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"},
        "version": {"type": ["string", "number"]},
        "inputs": _declarations("input", shorthand={}, names=True),
        "outputs": _declarations("output", shorthand=None, names=False),
        "steps": {**steps, "minItems": 1},
        "on_failure": steps,
        "finally": steps,
        "tests": {"type": "array", "items": {"type": "object"}},
    }
    return {
        "$schema": _DIALECT,
        "title": "AEL workflow",
        **top,
        "required": ["name", "version", "steps"],
        "not": {"required": ["output", "outputs"]},
        "$defs": {
            "input": _without_name(model.InputSpec),
            "output": _without_name(model.OutputSpec),
            "step": _step_schema(),
        },
    }


def _without_name(kind: type[msgspec.Struct]) -> Schema:
    made = record_schema(kind)
    made.pop("required", None)
    return made


def _declarations(kind: str, *, shorthand: Schema | None, names: bool) -> Schema:
    """Return the list form and the mapping form of inputs or outputs."""
    full: Schema = {"$ref": f"#/$defs/{kind}"}
    one: Schema = full if shorthand is None else {"anyOf": [full, {"not": {"type": "object"}}]}
    entry: list[JSONValue] = [
        {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": one},
        full,
    ]
    if names:
        entry.append({"type": "string"})
    return {"anyOf": [{"type": "array", "items": {"anyOf": entry}}, {"type": "object", "additionalProperties": one}]}


def _step_schema() -> Schema:
    base = record_schema(model.WaitStep)["properties"]
    assert isinstance(base, dict)
    renamed = {"as": "item_name"}
    common: Schema = {key: base[renamed.get(key, key)] for key in COMMON_STEP_KEYS}
    text_or_list: Schema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    common |= {
        "id": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "depends_on": text_or_list,
        "foreach": {},
    }
    kinds: list[JSONValue] = [{"required": [kind]} for kind in ("tool", "code", "workflow", "approval", "wait")]
    waits: Schema = {
        "type": "object",
        "properties": {"seconds": {"type": ["number", "string"]}, "until": {"type": "string"}},
    }
    approval: Schema = {
        "type": "object",
        "properties": {
            "message": {"type": "string"},
            "approvers": {"type": "array", "items": {"type": "string"}},
            "timeout": {"type": "number"},
            "on_timeout": {"enum": ["fail", "approve", "reject"]},
            "choices": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["message"],
        "additionalProperties": False,
    }
    own: Schema = {
        "tool": {"type": "string"},
        "code": {"type": "string"},
        "workflow": {"type": "string"},
        "params": {"type": "object"},
        "templates": {"type": "boolean"},
        "approval": approval,
        "wait": {**waits, "minProperties": 1, "maxProperties": 1, "additionalProperties": False},
    }
    return {
        "type": "object",
        "properties": {**common, **own},
        "required": ["id"],
        "oneOf": kinds,
        "additionalProperties": False,
    }


# -- one workflow ----------------------------------------------------------------------------------------------------


def input_schema(workflow: Workflow) -> Schema:
    """Return the JSON Schema of a workflow's inputs, as callers see it."""
    return {
        "type": "object",
        "properties": {spec.name: _input_schema(spec) for spec in workflow.inputs},
        "required": [spec.name for spec in workflow.inputs if spec.required],
        "additionalProperties": False,
    }


def _input_schema(spec: InputSpec) -> Schema:
    made: Schema = {"type": spec.type}
    renamed = {"min_length": "minLength", "max_length": "maxLength"}
    for field in (
        "description",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "min_length",
        "max_length",
        "items",
        "properties",
    ):
        value = getattr(spec, field)
        if value not in (None, ""):
            made[renamed.get(field, field)] = list(value) if isinstance(value, tuple) else value
    if spec.default is not msgspec.UNSET:
        made["default"] = spec.default
        if spec.default is None:
            made["type"] = [spec.type, "null"]
    return made


def output_schema(workflow: Workflow) -> Schema | None:
    """Return the JSON Schema of a workflow's result where the file says it, else None."""
    if not workflow.outputs:
        return None
    properties: Schema = {}
    for spec in workflow.outputs:
        described: Schema = dict(spec.schema or {})
        if spec.description:
            described["description"] = spec.description
        properties[spec.name] = described
    return {"type": "object", "properties": properties, "required": [spec.name for spec in workflow.outputs]}
