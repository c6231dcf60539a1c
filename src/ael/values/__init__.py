"""JSON as AEL means it: strict (RFC 8259, no NaN), bounded in depth, with one canonical form.

Times are UTC milliseconds inside and ISO 8601 outside. Above stand all rooms that carry data; below only the errors.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ael.errors import OutputInvalid

if TYPE_CHECKING:
    JSONValue: TypeAlias = "None | bool | int | float | str | list[JSONValue] | dict[str, JSONValue]"
else:
    # msgspec resolves annotations at run time and knows no recursive alias.
    JSONValue = Any

#: Deepest nesting of a value that enters or leaves a workflow.
MAX_DEPTH = 64

#: Longer secrets without a space are rare; half of one at the end of a shortened text may be shown.
_LONGEST_SECRET = 96

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(value: JSONValue) -> bytes:
    """Encode a value that is known to be strict JSON; use `check` first for one that is not."""
    return _encode(value)


def decode(data: bytes | str) -> JSONValue:
    """Decode JSON text; raises `msgspec.DecodeError` or `UnicodeDecodeError`."""
    value: JSONValue = _decode(data)
    return value


def text(value: JSONValue) -> str:
    """Render a value inside text: null is empty, booleans and containers are JSON, numbers keep their kind."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def shortened(words: str, most: int = 4000) -> str:
    """Return the beginning of a text, as `beginning` does, and how much of it was left out."""
    if len(words) <= most:
        return words
    shown = beginning(words, most + 1)
    return f"{shown} ({len(words) - len(shown) + 1} more characters are left out)"


def beginning(words: str, most: int) -> str:
    """Return a text, or at most so many characters of it, in a way that it can still be masked.

    Nobody would find half of a secret: it is cut at a space or a quote, else where one of usual length may begin.
    """
    if len(words) <= most:
        return words
    head = words[: most - 1]
    at = max(head.rfind(one) for one in " \t\n\"'")
    return f"{head[: at + 1 if at >= most - _LONGEST_SECRET else max(most - _LONGEST_SECRET, most // 2)]}…"


def canonical(value: JSONValue) -> bytes:
    """Return a canonical encoding (sorted keys, no white space) for digests and byte comparison."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(data: bytes) -> str:
    """Return the BLAKE2b digest of `data`, 32 hexadecimal characters."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _check_text(value: str, path: str) -> None:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise OutputInvalid(f"{path or 'value'} holds half a character (a lone surrogate)") from None


def check(value: object, path: str = "", depth: int = 0) -> None:  # noqa: C901, PLR0912 # one case for each kind
    """Raise `OutputInvalid` naming path and type of the first part that is not strict JSON.

    Accepts None, bool, int within 64 bits, finite float, str, list, dict with str keys, at most 64 levels.
    """
    kind = type(value)
    if kind is bool or value is None:
        return
    if kind is str:
        _check_text(value, path)  # type: ignore[arg-type]  # kind is str
        return
    if kind is int:
        if not -(2**63) <= value < 2**64:  # type: ignore[operator]  # kind is int
            raise OutputInvalid(f"{path or 'value'} is an integer beyond 64 bits", suggestion="Return it as text.")
        return
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # kind is float
            raise OutputInvalid(
                f"{path or 'value'} is {value}, which JSON cannot hold", suggestion="Return null or text instead."
            )
        return
    if depth >= MAX_DEPTH:
        raise OutputInvalid(f"{path or 'value'} is nested deeper than {MAX_DEPTH} levels")
    if kind is list:
        for index, item in enumerate(value):  # type: ignore[arg-type,var-annotated]  # kind is list
            check(item, path=f"{path}[{index}]", depth=depth + 1)
    elif kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]  # kind is dict
            if type(key) is not str:
                raise OutputInvalid(
                    f"{path or 'value'} has the key {key!r} of type {type(key).__name__}",
                    suggestion="JSON keys are strings.",
                )
            if not key.isascii():
                _check_text(key, f"a key of {path or 'value'}")
            check(item, path=f"{path}.{key}" if path else key, depth=depth + 1)
    else:
        raise OutputInvalid(f"{path or 'value'} is of type {kind.__name__}, which is not JSON")


def frozen_copy(value: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
    """Return a deep copy of a JSON object that shares nothing mutable with it."""
    copied: dict[str, JSONValue] = _decode(_encode(value))
    return copied


@lru_cache(maxsize=256)
def iso(milliseconds: int) -> str:
    """Return ISO 8601 with milliseconds, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
