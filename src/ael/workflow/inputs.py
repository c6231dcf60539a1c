"""Inputs of a workflow: defaults applied, every constraint checked, every violation reported at once.

The values of secret inputs are in no message. Patterns are RE2's dialect, searched as JSON Schema does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ael.errors import InputInvalid, OutputInvalid, Problem, did_you_mean
from ael.values import JSONValue, beginning, check
from ael.workflow.model import InputSpec, InputType, Schema, Workflow

#: The input type of a default's Python type.
TYPE_OF: dict[type, InputType] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}

_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _is_number(value: JSONValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: dict[str, Callable[[JSONValue], bool]] = {
    "string": lambda value: isinstance(value, str),
    # As JSON Schema has it, 1.0 is an integer.
    "integer": lambda value: _is_number(value) and float(value).is_integer(),  # type: ignore[arg-type]  # a number
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def validate_inputs(workflow: Workflow, given: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
    """Return the inputs with defaults; absent optional ones are missing keys. Raises `InputInvalid`."""
    specs = {spec.name: spec for spec in workflow.inputs}
    problems: list[Problem] = []
    for name in given:
        if name not in specs:
            shown = name if len(name) <= 60 else name[:59] + "…"
            hint = did_you_mean(shown, specs, "input") or "This workflow takes no inputs."
            problems.append(Problem(message=f"unknown input '{shown}'", suggestion=hint))
    inputs: dict[str, JSONValue] = {}
    for name, spec in specs.items():
        if name in given:
            value = given[name]
            problems += [Problem(message=f"input '{name}' {message}") for message in violations(spec, value)]
            inputs[name] = value
        elif spec.default is not msgspec.UNSET:
            inputs[name] = spec.default
        elif spec.required:
            about = f" ({spec.description})" if spec.description else ""
            # Agents read it too, and have no command line.
            hint = f"It has no default: give it a value (`-i {name}=…` on the command line)."
            problems.append(Problem(message=f"input '{name}' is missing{about}", suggestion=hint))
    if problems:
        raise InputInvalid(problems)
    return inputs


def check_default(spec: InputSpec) -> list[str]:
    """Return what is wrong with a default; null is exempt."""
    if spec.default is None or spec.default is msgspec.UNSET:
        return []
    return list(violations(spec, spec.default))


def violations(spec: InputSpec, value: JSONValue) -> Iterator[str]:
    """Yield what is wrong with a value, in words that follow the input's name."""
    try:
        check(value)
    except OutputInvalid as error:
        # The detail may name keys of the value.
        yield "is not strict JSON" if spec.secret else f"is not strict JSON: {error.detail}"
        return
    shown = "the value given" if spec.secret else _shown(value)
    if not _IS[spec.type](value):
        yield f"is {_WORDS[spec.type]}, not {shown}"
        return
    if spec.enum is not None and not any(_equal(value, one) for one in spec.enum):
        allowed = ", ".join(_shown(one) for one in spec.enum[:20]) + (", …" if len(spec.enum) > 20 else "")
        yield "is none of the values allowed" if spec.secret else f"is one of {allowed}, not {shown}"
    if isinstance(value, str):
        yield from _text_violations(spec, value, shown)
    elif _is_number(value) and spec.type in {"integer", "number"}:
        if spec.minimum is not None and value < spec.minimum:  # type: ignore[operator]  # a number
            yield f"is at least {spec.minimum}, not {shown}"
        if spec.maximum is not None and value > spec.maximum:  # type: ignore[operator]  # a number
            yield f"is at most {spec.maximum}, not {shown}"
    elif spec.items is not None or spec.properties is not None:
        yield from _schema_violations(spec, value)


def _text_violations(spec: InputSpec, value: str, shown: str) -> Iterator[str]:
    if spec.min_length is not None and len(value) < spec.min_length:
        yield f"has at least {spec.min_length} characters, not {len(value)}"
    if spec.max_length is not None and len(value) > spec.max_length:
        yield f"has at most {spec.max_length} characters, not {len(value)}"
    if spec.pattern is not None:
        pattern = compile_pattern(spec.pattern)
        if isinstance(pattern, str) or pattern.search(value) is None:
            yield f"matches {spec.pattern}, which {shown} does not"


def enum_violations(spec: InputSpec) -> list[str]:
    """Return what is wrong with the values that `enum` lists."""
    if spec.enum is None:
        return []
    if not spec.enum:
        return ["'enum' lists no value: nothing could be given"]
    wrong = [value for value in spec.enum if not _IS[spec.type](value)]
    return [f"'enum' of an input of type {spec.type} lists {_shown(value)}" for value in wrong[:1]]


def _equal(one: JSONValue, other: JSONValue) -> bool:
    """Compare as JSON Schema does: 1 is 1.0, and true is not 1, at any depth."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    return one == other


def _schema_violations(spec: InputSpec, value: JSONValue) -> Iterator[str]:
    schema: Schema = {}
    if spec.items is not None and isinstance(value, list):
        schema["items"] = spec.items
    if spec.properties is not None and isinstance(value, dict):
        schema["properties"] = spec.properties
    for count, error in enumerate(make_validator(schema).iter_errors(value)):
        if spec.secret:
            # The place may name keys of the value.
            yield "does not match its schema"
            return
        if count == 20:
            yield "has more violations, which are not shown"
            return
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
        yield f"at {spec.name}{path}: {beginning(error.message, 300)}"


_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")


def make_validator(schema: Schema, mask: str | None = None) -> Any:  # noqa: ANN401 # jsonschema_rs has no types
    """Return a validator that follows no reference out of the schema and whose patterns take linear time.

    Messages show values, or `mask` in their place. Raises `ValueError` where the schema is none.
    """
    import jsonschema_rs  # noqa: PLC0415 # 25 ms to import, needed only where a schema is

    try:
        return jsonschema_rs.validator_for(
            schema, retriever=_refuse_reference, pattern_options=jsonschema_rs.RegexOptions(), mask=mask
        )
    except jsonschema_rs.ReferencingError as error:
        raise ValueError(f"a reference leads nowhere or out of the schema: {error}") from error
    except jsonschema_rs.ValidationError as error:
        place = "/".join(map(str, error.instance_path))
        what = error.message.removesuffix(" under any of the schemas listed in the 'anyOf' keyword")
        if error.instance_path and error.instance_path[-1] == "type":
            what = what.replace("is not valid", f"is none of {', '.join(_TYPES)}")
        raise ValueError(f"at {place}: {what}" if place else what) from error


def schema_problem(schema: Schema) -> str:
    """Return why a JSON Schema cannot be used, on one line; empty when it can."""
    try:
        make_validator(schema)
    except ValueError as error:
        return beginning(str(error).split("\n", 1)[0], 300)
    return ""


def _refuse_reference(uri: str) -> Any:  # noqa: ANN401 # never returns
    raise ValueError(f"{uri} is not part of it")


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Any:  # noqa: ANN401 # re2 has no types
    """Return a compiled pattern, or as a string why it is none."""
    import re2  # noqa: PLC0415 # needed only by inputs with a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        # google-re2 gives the reason as bytes.
        return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _shown(value: JSONValue) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"


def parse_input(spec: InputSpec, text: str) -> JSONValue:
    """Return the value of `K=V` on a command line as the input's type reads it; raises `InputInvalid`."""
    if spec.type == "string":
        return text
    try:
        value: JSONValue = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        shown = "the value given" if spec.secret else _shown(text)
        hint = {
            "array": f'Write it as JSON: -i \'{spec.name}=["a", "b"]\'.',
            "object": f"Write it as JSON: -i '{spec.name}={{\"a\": 1}}'.",
            "boolean": f"Write -i {spec.name}=true or -i {spec.name}=false.",
        }.get(spec.type, f"Write a number: -i {spec.name}=5.")
        message = f"input '{spec.name}' is {_WORDS[spec.type]}, not {shown}"
        raise InputInvalid([Problem(message=message, suggestion=hint)]) from None
    return value
