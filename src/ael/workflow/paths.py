"""Paths into a result: `steps.process.output.items[0].name`, `inputs['odd key']`.

Dots, `['key']` and indices, nothing else; `from_path` of an output is one. Above stand plan and engine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ael.errors import OutputInvalid, did_you_mean
from ael.values import JSONValue

_PART = re.compile(r"""\.?([A-Za-z_][A-Za-z0-9_-]*)|\[\s*(-?\d+)\s*\]|\[\s*(?:'([^'\]]*)'|"([^"\]]*)")\s*\]""")


class PathSyntaxError(ValueError):
    """A text is not a path; `offset` is where it stops being one, in characters."""

    def __init__(self, message: str, offset: int, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


def parse_path(text: str) -> tuple[str | int, ...]:
    """Return the parts of a path; raises `PathSyntaxError`."""
    parts: list[str | int] = []
    position = 0
    stripped = text.strip()
    if stripped.startswith("{{"):
        raise PathSyntaxError("a path has no braces", 0, "Write the path alone, or use `value` for a template.")
    while position < len(stripped):
        match = _PART.match(stripped, position)
        dotted = stripped[position] == "."
        if match is None or (match[1] is not None and dotted != bool(parts)):
            raise PathSyntaxError(
                f"not a path: '{stripped}'", position, "A path is like steps.fetch.output.items[0].name."
            )
        name, index, single, double = match.groups()
        if index is not None:
            parts.append(int(index))
        else:
            parts.append(next(part for part in (name, single, double) if part is not None))
        position = match.end()
    if not parts or not isinstance(parts[0], str):
        raise PathSyntaxError("the path is empty", 0, "A path is like steps.fetch.output.items[0].name.")
    return tuple(parts)


def follow(value: JSONValue, parts: Sequence[str | int], *, shown: str) -> JSONValue:
    """Return what stands at `parts` of `value`; raises `OutputInvalid` naming the first part that is missing."""
    walked = ""
    for part in parts:
        walked += f"[{part}]" if isinstance(part, int) else f".{part}" if walked else part
        if isinstance(part, str) and isinstance(value, dict):
            if part not in value:
                raise OutputInvalid(
                    f"path '{shown}' finds nothing at '{walked}'", suggestion=did_you_mean(part, value, "key")
                )
            value = value[part]
        elif isinstance(part, int) and isinstance(value, list):
            if not -len(value) <= part < len(value):
                raise OutputInvalid(f"path '{shown}' finds nothing at '{walked}': the list has {len(value)} items")
            value = value[part]
        else:
            raise OutputInvalid(f"path '{shown}' finds nothing at '{walked}': {_kind(value)} has no parts of that kind")
    return value


def _kind(value: JSONValue) -> str:
    if value is None:
        return "null"
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}.get(type(value), "a number")
