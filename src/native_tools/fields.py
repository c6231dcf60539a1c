"""Fields: what is asked of a document, and how a text that was found becomes a value. For `extractor` only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from native_tools.extractor import Answer, Request, Unreadable

#: Values that one call gives at most.
MOST_VALUES = 100_000

_NUMBER = re.compile(r"-?[0-9][0-9\s,_']*(?:\.[0-9]+)?")


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field: a selector or path, and what to take of what it finds."""

    select: str
    attribute: str | None = None
    all: bool = False
    required: bool = False
    type: str = "text"


#: Finds all that a selector means below something, in order.
Find = Callable[[Any, str], list[Any]]
#: Returns the values of a field below something.
Values = Callable[[Any, Field], list[Any]]


def extract(request: Request, root: Any, find: Find, values: Values) -> Answer:  # noqa: ANN401 # a node or a value
    """Return `{data, missing}`: an object, or with `each` one for each of what that finds."""
    fields = {
        name: Field(select=spec) if isinstance(spec, str) else msgspec.convert(spec, Field)
        for name, spec in request["fields"].items()
    }
    each = request.get("each")
    missing: dict[str, None] = {}
    count = 0

    def one(place: Any) -> dict[str, Any]:  # noqa: ANN401 # a node or a value
        nonlocal count
        made: dict[str, Any] = {}
        for name, field in fields.items():
            found = values(place, field)
            count += max(1, len(found))
            if count > MOST_VALUES:
                raise Unreadable(f"more than {MOST_VALUES} values are found; narrow the selectors.")
            if not found:
                if field.required:
                    raise Unreadable(f"the field '{name}' is required, and '{field.select}' finds nothing.")
                missing[name] = None
            made[name] = found if field.all else found[0] if found else None
        return made

    data = one(root) if each is None else [one(place) for place in find(root, each)]
    return {"data": data, "missing": list(missing)}


def typed(text: str, field: Field) -> Any:  # noqa: ANN401 # any JSON
    """Return a text as the field's type; null where it is none of that."""
    if field.type not in {"number", "integer"}:
        return text
    found = _NUMBER.search(text)
    if found is None:
        return None
    digits = re.sub(r"[\s,_']", "", found[0])
    if len(digits) > 300:
        return None
    if field.type == "number":
        return float(digits)
    whole = int(digits.partition(".")[0])
    return whole if -(2**63) <= whole < 2**64 else None
