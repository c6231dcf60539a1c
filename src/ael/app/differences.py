"""What differs between two values, as lines for people; used by tests of workflows and by replay."""

from __future__ import annotations

import difflib
import json

from ael.tools.mocked import same
from ael.values import JSONValue, beginning

#: Most lines of one difference, and characters of one of them.
_MOST_LINES, _WIDEST = 40, 200


def difference(expected: JSONValue, actual: JSONValue) -> list[str]:
    """Return lines that begin with `-` (expected), `+` (actual) or a space; none when the values are the same JSON."""
    if same(expected, actual):
        return []
    lines = list(difflib.unified_diff(_lines(expected), _lines(actual), lineterm="", n=2))[2:]
    if not lines:
        # They read the same and are not: 1 and 1.0 inside text, or the order of keys.
        lines = [f"-{expected!r}", f"+{actual!r}"]
    shown = [beginning(line, _WIDEST) for line in lines if not line.startswith("@@")]
    if len(shown) > _MOST_LINES:
        shown = [*shown[:_MOST_LINES], f" … {len(shown) - _MOST_LINES} lines more"]
    return shown


def _lines(value: JSONValue) -> list[str]:
    if isinstance(value, str):
        # Text with lines of its own is compared by them.
        return value.splitlines() if "\n" in value else [json.dumps(value, ensure_ascii=False)]
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).splitlines()
