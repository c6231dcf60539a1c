"""Large values: read in slices and in a thread, so that the event loop goes on.

A thread alone does not help: a decoder holds the interpreter until it is done, a second for 100 MB. So containers are
opened one level at a time, and only what is small is decoded in one go; between two slices others have their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ael.errors import OutputInvalid
from ael.values import MAX_DEPTH, JSONValue

#: Bytes that are decoded in one go.
SLICE = 256 * 1024

#: Values that are looked at in one go.
_MANY = 20_000

T = TypeVar("T")

_any = msgspec.json.Decoder().decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_dict = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 # those of the work
    """Do a piece of work in a thread."""
    return await asyncio.to_thread(work, *arguments)


def decode(data: bytes | msgspec.Raw, depth: int = 0) -> JSONValue:
    """Decode JSON of any size; raises `msgspec.MsgspecError`, `UnicodeError` or `RecursionError`."""
    if len(data) > SLICE and depth <= MAX_DEPTH:
        opener = bytes(memoryview(data)[:64]).lstrip()[:1]
        if opener == b"{":
            return {key: decode(part, depth + 1) for key, part in _dict(data).items()}
        if opener == b"[":
            return [decode(part, depth + 1) for part in _list(data)]
    found: JSONValue = _any(data)
    return found


def is_large(value: JSONValue) -> bool:
    """Tell whether a value is so large that work on it would hold up the event loop; takes a moment at most."""
    values, size = 0, 0
    waiting: list[JSONValue] = [value]
    while waiting:
        one = waiting.pop()
        if type(one) is str:
            size += len(one)
        elif type(one) is list:
            waiting += one[:_MANY]
        elif type(one) is dict:
            if len(one) > _MANY:
                return True
            waiting += one.values()
        values += 1
        if size > SLICE or values + len(waiting) > _MANY:
            return True
    return False


def check_depth(value: JSONValue, path: str) -> None:
    """Raise `OutputInvalid` for a value that is nested too deep; all else a strict decoder has seen to."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for one in level:
            if type(one) is dict:
                below += one.values()
            elif type(one) is list:
                below += one
        if not below:
            return
        level = below
    raise OutputInvalid(f"{path} is nested deeper than {MAX_DEPTH} levels")
