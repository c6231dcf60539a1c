"""JSON Schema out of the types: of a workflow file for editors, of a workflow's inputs and outputs for callers.

The schema of any Struct comes from its own annotations and `#:` comments, so it cannot drift; only the shorthand
forms of the language are written out here.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import quote

import msgspec

from ael.values import JSONValue
from ael.workflow import model
from ael.workflow.file_steps import COMMON_STEP_KEYS, KINDS, ApprovalForm, WaitForm
from ael.workflow.file_tests import FileTestForm
from ael.workflow.inputs import make_validator
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
_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"}
_STEP_ID: Schema = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
_VERSION: Schema = {
    "anyOf": [{"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$"}, {"type": "number", "minimum": 0}],
    "description": "The text as written: unquoted 1.10 is 1.10.",
}


def record_schema(kind: type[msgspec.Struct]) -> Schema:
    """Return the schema of a mapping that fills a Struct."""
    about = comments(kind)
    properties: Schema = {}
    required: list[JSONValue] = []
    for key, (name, hint, needed) in record_fields(kind).items():
        described = hint_schema(hint)
        if name in about:
            described = {**described, "description": about[name]}
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
def comments(kind: type) -> dict[str, str]:
    """Return field → its `#:` comment, of a Struct and what it inherits from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            found |= _own_comments(base)
    return found


def _own_comments(kind: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except OSError:
        # An installation without sources: the schema is the same, without descriptions.
        return {}
    lines = source.splitlines()
    found: dict[str, str] = {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]  # a class
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno - 1
            above = first
            while lines[above - 1].strip().startswith("#:"):
                above -= 1
            if above < first:
                found[node.target.id] = " ".join(line.strip().removeprefix("#:").strip() for line in lines[above:first])
    return found


def workflow_schema() -> Schema:
    """Return the JSON Schema of a workflow file, for editors."""
    top = record_schema(Workflow)
    properties = top["properties"]
    assert isinstance(properties, dict)
    steps: Schema = {"type": "array", "items": {"$ref": "#/$defs/step"}}
    own: Schema = {
        "name": _NAME,
        "version": _VERSION,
        "inputs": _declarations("input"),
        "outputs": _declarations("output"),
        "steps": {**steps, "minItems": 1},
        "on_failure": steps,
        "finally": steps,
        "tests": {"type": "array", "items": record_schema(FileTestForm)},
    }
    for key, described in own.items():
        known = properties[key]
        assert isinstance(known, dict)
        assert isinstance(described, dict)
        about = {"description": known["description"]} if "description" in known else {}
        properties[key] = {**about, **described}
    return {
        "$schema": _DIALECT,
        "title": "AEL workflow",
        **top,
        "required": ["name", "version", "steps"],
        "not": {"required": ["output", "outputs"]},
        "$defs": {"input": _without_name(InputSpec), "output": _output_schema_of_file(), "step": _step_schema()},
    }


def _without_name(kind: type[msgspec.Struct]) -> Schema:
    made = record_schema(kind)
    made.pop("required", None)
    return made


def _output_schema_of_file() -> Schema:
    return {**_without_name(model.OutputSpec), "oneOf": [{"required": ["from_path"]}, {"required": ["value"]}]}


def _declarations(kind: str) -> Schema:
    """Return the list form and the mapping form of inputs or outputs."""
    full: Schema = {"$ref": f"#/$defs/{kind}"}
    # An input may be a bare default; an output is always a mapping.
    one: Schema = {"if": {"type": "object"}, "then": full} if kind == "input" else full
    entry: Schema = {
        "if": {"type": "object", "required": ["name"], "minProperties": 2},
        "then": full,
        "else": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": one},
    }
    if kind == "input":
        entry = {"if": {"type": "object"}, "then": entry, "else": {"type": ["string", "number", "boolean"]}}
    return {"anyOf": [{"type": "array", "items": entry}, {"type": "object", "additionalProperties": one}]}


def _step_schema() -> Schema:
    made: Schema = {}
    for kind in (model.ToolStep, model.CodeStep, model.WorkflowStep):
        properties = record_schema(kind)["properties"]
        assert isinstance(properties, dict)
        made |= properties
    renamed = {"as": "item_name"}
    common: Schema = {key: made[renamed.get(key, key)] for key in COMMON_STEP_KEYS}
    waits: Schema = {**record_schema(WaitForm), "minProperties": 1, "maxProperties": 1}
    shapes: Schema = {
        "id": _STEP_ID,
        "depends_on": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "when": {"type": ["string", "number", "boolean"]},
        "foreach": {"type": ["string", "array", "object"]},
    }
    for key, shape in shapes.items():
        known = common[key]
        assert isinstance(known, dict)
        assert isinstance(shape, dict)
        common[key] = {**shape, "description": known["description"]} if "description" in known else shape
    own: Schema = {key: made[key] for key in ("tool", "code", "workflow", "params", "templates")}
    own |= {"approval": record_schema(ApprovalForm), "wait": waits}
    return {
        "type": "object",
        "properties": {**common, **own},
        "required": ["id"],
        "oneOf": [{"required": [kind]} for kind in KINDS],
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
    for field in ("description", "enum", "pattern", "minimum", "maximum", "min_length", "max_length"):
        value = getattr(spec, field)
        if value not in (None, ""):
            made[renamed.get(field, field)] = list(value) if isinstance(value, tuple) else value
    inner = {key: value for key in ("items", "properties") if (value := getattr(spec, key)) is not None}
    made |= _placed(inner, "properties", spec.name)
    if spec.default is not msgspec.UNSET:
        if not spec.secret:
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
        described = _result_schema(spec)
        if spec.description:
            described["description"] = spec.description
        properties[spec.name] = described
    return {"type": "object", "properties": properties, "required": [spec.name for spec in workflow.outputs]}


#: Keys of JSON Schema that refer to a schema, that hold schemas by names, and that hold any values.
_REFERENCES = frozenset({"$ref", "$dynamicRef"})
_BY_NAMES = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_VALUES = frozenset({"const", "enum", "default", "examples"})


def _result_schema(spec: model.OutputSpec) -> Schema:
    """Return the schema of one output: its default is not held to the schema that the file says."""
    schema = spec.schema or {}
    if spec.default is msgspec.UNSET or make_validator(schema).is_valid(spec.default):
        return _placed(schema, "properties", spec.name)
    return {"anyOf": [_placed(schema, "properties", spec.name, "anyOf", "0"), {"const": spec.default}]}


def _placed(schema: Schema, *path: str) -> Schema:
    """Return a schema as it stands at a place of another: its references to its own root lead there."""
    pointer = "".join(f"/{quote(key.replace('~', '~0').replace('/', '~1'), safe='~')}" for key in path)
    placed = _rebased(schema, pointer)
    assert isinstance(placed, dict)
    return placed


def _rebased(schema: JSONValue, pointer: str) -> JSONValue:
    if isinstance(schema, list):
        return [_rebased(one, pointer) for one in schema]
    if not isinstance(schema, dict) or "$id" in schema:
        # What has an identity of its own is the root of its references, wherever it stands.
        return schema
    made: Schema = {}
    for key, value in schema.items():
        if key in _REFERENCES and isinstance(value, str) and (value == "#" or value.startswith("#/")):
            made[key] = f"#{pointer}{value[1:]}"
        elif key in _BY_NAMES and isinstance(value, dict):
            made[key] = {name: _rebased(one, pointer) for name, one in value.items()}
        else:
            made[key] = value if key in _VALUES else _rebased(value, pointer)
    return made
