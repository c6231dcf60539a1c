"""What one evaluation may cost: fuel, sizes, numbers. Deterministic, never wall clock."""

from __future__ import annotations

import math

from ael.errors import TemplateFailed
from ael.values import JSONValue

#: Units of one evaluation: one for a node, one for each element that a filter touches.
FUEL = 1_000_000

#: Longest text that an evaluation makes, characters.
MAX_TEXT = 1024 * 1024


class Fuel:
    """What is left to spend; charged before the work is done."""

    __slots__ = ("left",)

    def __init__(self, units: int) -> None:
        self.left = units

    def charge(self, units: int) -> None:
        """Spend; raises `TemplateFailed` when it is not there."""
        self.left -= units
        if self.left < 0:
            raise TemplateFailed("the expression takes too much work", suggestion="Compute it in a code step.")


def check_size(size: int) -> None:
    """Raise `TemplateFailed` for a text or list that would be too large to make."""
    if size > MAX_TEXT:
        raise TemplateFailed(f"the result would have {size} characters or items, the limit is {MAX_TEXT}")


def check_number(value: float) -> int | float:
    """Return a number that JSON can hold, an integer within 64 bits or a finite double; else `TemplateFailed`."""
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise TemplateFailed("the number is beyond 64 bits")
        return value
    if not math.isfinite(value):
        raise TemplateFailed("the number is not finite")
    return value


def kind_of(value: JSONValue) -> str:
    """Name the kind of a value in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return {str: "a string", list: "a list", dict: "an object", int: "an integer"}.get(type(value), "a number")
