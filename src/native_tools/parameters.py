"""Kinds of parameters that many tools have, as JSON Schema. Below: nothing; every tool module makes some."""

from __future__ import annotations

from collections.abc import Iterable

from native_tools.tool import Schema


def switch(default: bool, description: str) -> Schema:
    """Return what is on or off."""
    return {"type": "boolean", "default": default, "description": description}


def choice(options: Iterable[str], default: str, description: str) -> Schema:
    """Return one of several words."""
    return {"enum": list(options), "default": default, "description": description}


def whole(least: int, most: int, description: str, default: int | None = None) -> Schema:
    """Return a whole number within bounds."""
    usual = {} if default is None else {"default": default}
    return {"type": "integer", "minimum": least, "maximum": most, **usual, "description": description}


def seconds(default: float, most: float, description: str, least: float | None = None) -> Schema:
    """Return a time that may be spent; more than none, or `least`."""
    bound: Schema = {"exclusiveMinimum": 0} if least is None else {"minimum": least}
    return {"type": "number", **bound, "maximum": most, "default": default, "description": description}


def several(items: Schema, most: int, description: str) -> Schema:
    """Return a list of one to `most`."""
    return {"type": "array", "minItems": 1, "maxItems": most, "items": items, "description": description}
