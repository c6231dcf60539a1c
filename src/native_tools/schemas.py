"""JSON Schema: values against schemas that came from anywhere. Nothing is fetched, patterns take linear time."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from native_tools.excerpts import excerpt
from native_tools.tool import Schema

#: Values of an enumeration that are named, and characters of what is none of them.
_MOST_OPTIONS, _SHOWN = 20, 80


class SchemaUnusable(Exception):
    """A schema that cannot be used; the message says why."""


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a value."""

    #: The place in the value: `items[2].name`; empty for the whole.
    path: str
    message: str
    #: The keyword of the schema that is broken.
    keyword: str


class Validator:
    """A schema that is ready to judge values; raises `SchemaUnusable`."""

    def __init__(self, schema: Schema | bool) -> None:
        import jsonschema_rs  # noqa: PLC0415 # the first call pays for it, not the start

        try:
            self._validator: Any = jsonschema_rs.validator_for(
                schema,
                retriever=_refuse,
                pattern_options=jsonschema_rs.RegexOptions(),
                validate_formats=True,
            )
        except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise SchemaUnusable(excerpt(" ".join(str(error).split()), 400)) from error

    def is_valid(self, value: object) -> bool:
        """Return whether a value is as the schema wants it."""
        return bool(self._validator.is_valid(value))

    def violations(self, value: object, most: int) -> tuple[list[Violation], int]:
        """Return what is wrong, `most` of it, and how much it is in all."""
        found: list[Violation] = []
        count = 0
        for error in self._validator.iter_errors(value):
            count += 1
            if len(found) < most:
                path = _path(error.instance_path)
                message = excerpt(" ".join(_message(error).split()), 400)
                found.append(Violation(path=path, message=message, keyword=str(error.kind.name)))
        return found, count


def with_whole_numbers(schema: Schema, value: Any) -> Any:  # noqa: ANN401 # any JSON
    """Return a value with 5 for 5.0 where the schema wants a whole number: to JSON Schema they are the same."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and _wants_whole(schema) else value
    if isinstance(value, dict):
        known = schema.get("properties")
        return {key: with_whole_numbers(known.get(key, {}), one) for key, one in value.items()} if known else value
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict) and (items.get("properties") or _wants_whole(items)):
        return [with_whole_numbers(items, one) for one in value]
    return value


def _wants_whole(schema: Schema) -> bool:
    return any(one.get("type") == "integer" for one in (schema, *schema.get("anyOf", ())))


def _message(error: Any) -> str:  # noqa: ANN401 # jsonschema_rs has no types
    """Return what is wrong with a value, with the values that it may have: the library names two of them."""
    if error.kind.name != "enum":
        return str(error.message)
    options = error.kind.options
    named = ", ".join(json.dumps(one, ensure_ascii=False) for one in options[:_MOST_OPTIONS])
    rest = f" and {len(options) - _MOST_OPTIONS} more" if len(options) > _MOST_OPTIONS else ""
    given = excerpt(json.dumps(error.instance, ensure_ascii=False), _SHOWN)
    return f"{given} is not one of {named}{rest}"


def _path(parts: list[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def _refuse(uri: str) -> Any:  # noqa: ANN401 # never returns
    raise ValueError(f"it refers to {uri}, and nothing is fetched")
