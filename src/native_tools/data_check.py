"""A value against a schema that anybody may have written, in a bounded process where it may take for ever."""

from __future__ import annotations

from typing import Any

import msgspec

from native_tools.extractor import Answer, Request, Unreadable
from native_tools.schemas import SchemaUnusable, Validator
from native_tools.tool import Result

#: Keywords by which a short schema describes a check of any length: references to references, twice at each step.
_UNBOUNDED = (b'"$ref"', b'"$dynamicRef"', b'"$recursiveRef"', b'"unevaluatedProperties"', b'"unevaluatedItems"')

#: Bytes of the schema times bytes of the value, beyond which even an ordinary check may take a while.
_MOST_WORK = 100_000_000


def may_take_long(schema: bytes, value: bytes) -> bool:
    """Return whether nothing bounds the time of a check, both being JSON."""
    return len(schema) * len(value) > _MOST_WORK or any(word in schema for word in _UNBOUNDED)


def check(schema: Any, value: Any, most: int) -> Result:  # noqa: ANN401 # any JSON
    """Return what data_validate does; raises `SchemaUnusable`."""
    found, count = Validator(schema).violations(value, most)
    return {"valid": count == 0, "errors": [msgspec.to_builtins(one) for one in found], "error_count": count}


def check_request(request: Request) -> Answer:
    """Do `check` for `extractor`."""
    schema, value = (msgspec.json.decode(request[name]) for name in ("schema", "value"))
    try:
        return check(schema, value, request["most"])
    except SchemaUnusable as error:
        raise Unreadable(f"`schema` is not usable: {error}") from error
