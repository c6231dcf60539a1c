"""Large values: read, judged and written in slices and in a thread, so that the event loop goes on.

A thread alone does not help: a decoder holds the interpreter until it is done, a second for 100 MB. So containers are
opened one level at a time, and only what is small is decoded in one go; between two slices others have their turn. And
the collector would look at every new container again and again, which takes longer than to make them.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

import msgspec

from ael.errors import OutputInvalid
from ael.values import MAX_DEPTH, JSONValue, check
from ael.values.pieces import decode_in_pieces

#: Bytes that are decoded in one go.
SLICE = 256 * 1024

#: Parts of a container that are encoded in one go, and levels that are opened.
_CHUNK, _OPENED = 500, 3

#: Values that are looked at in one go.
_MANY = 20_000

#: Parts of a container that is no work when each of them is light, and characters of a text that is light.
_FEW, _SHORT = 16, 1000

_COMMA = ord(",")

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_encode_into = msgspec.json.Encoder().encode_into
_any = msgspec.json.Decoder().decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_dict = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 # those of the work
    """Do a piece of work in a thread, without the collector."""
    return await asyncio.to_thread(_uncollected, work, *arguments)


def _uncollected(work: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 # those of the work
    with _no_collections():
        return work(*arguments)


_pauses = 0
_pausing = threading.Lock()


@contextmanager
def _no_collections() -> Iterator[None]:
    """Keep the collector still; where somebody else has switched it off, it stays so."""
    global _pauses  # noqa: PLW0603 # the collector is one for the process, and so is the count of who pauses it
    with _pausing:
        if _pauses == 0 and not gc.isenabled():
            owned = False
        else:
            owned = True
            _pauses += 1
            gc.disable()
    try:
        yield
    finally:
        if owned:
            with _pausing:
                _pauses -= 1
                if _pauses == 0:
                    _count_as_old()
                    gc.enable()


def _count_as_old() -> None:
    """Make everything old in one move: the next collection of what is young would look at all that was made."""
    if gc.get_freeze_count() == 0:
        gc.freeze()
        gc.unfreeze()


def decode(data: bytes | msgspec.Raw, depth: int = 0) -> JSONValue:
    """Decode JSON of any size; raises `msgspec.MsgspecError`, `UnicodeError` or `RecursionError`."""
    if len(data) > SLICE and depth <= MAX_DEPTH:
        in_pieces: JSONValue = decode_in_pieces(data, SLICE)
        if in_pieces is not None:
            return in_pieces
        opener = bytes(memoryview(data)[:64]).lstrip()[:1]
        if opener == b"{":
            return {key: decode(part, depth + 1) for key, part in _dict(data).items()}
        if opener == b"[":
            return [decode(part, depth + 1) for part in _list(data)]
    found: JSONValue = _any(data)
    return found


def is_large(value: JSONValue) -> bool:
    """Tell whether a value is so large that work on it would hold up the event loop; takes a moment at most."""
    if type(value) is not dict and type(value) is not list:
        return type(value) is str and len(value) > SLICE
    if len(value) <= _FEW and all(map(_is_light, value.values() if type(value) is dict else value)):
        return False
    values, size = 0, 0
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if type(one) is str:
            size += len(one)
        elif isinstance(one, list | dict):
            if len(one) + values > _MANY:
                return True
            waiting += one.values() if isinstance(one, dict) else one
        values += 1
        if size > SLICE or values > _MANY:
            return True
    return False


def _is_light(value: JSONValue) -> bool:
    """Tell whether a value, and a few like it, are no work; most results are made of such."""
    return not value or (
        len(value) <= _SHORT if type(value) is str else type(value) is not dict and type(value) is not list
    )


class Extent(NamedTuple):
    """How much there is in a value."""

    #: The value itself and all that is in it, without keys.
    values: int
    #: Characters of its texts.
    characters: int


def check_decoded(value: JSONValue, path: str) -> Extent:
    """Raise `OutputInvalid` as `check` does, for a value that a strict decoder gave: it may be too deep or too big.

    Counts it on the way.
    """
    values = characters = 0
    for depth, part, kinds in _slices(value):
        values += len(part)
        if int in kinds:
            numbers = part if len(kinds) == 1 else [one for one in part if type(one) is int]
            if min(numbers) < -(2**63) or max(numbers) >= 2**64:
                break
        if str in kinds:
            characters += sum(map(len, part if len(kinds) == 1 else [one for one in part if type(one) is str]))
        if depth >= MAX_DEPTH and not kinds.isdisjoint((dict, list)):
            break
    else:
        return Extent(values, characters)
    # It finds the place.
    check(value, path)
    raise OutputInvalid(f"{path} is nested deeper than {MAX_DEPTH} levels")


def _slices(value: JSONValue) -> Iterator[tuple[int, list[Any], set[type]]]:
    """Give a value and all that is in it, level by level, in slices with what kinds are in them."""
    level: list[Any] = [value]
    depth = 0
    while level:
        below: list[Any] = []
        for start in range(0, len(level), _MANY):
            part = level[start : start + _MANY]
            kinds = set(map(type, part))
            yield depth, part, kinds
            if dict in kinds:
                objects = part if len(kinds) == 1 else [one for one in part if type(one) is dict]
                below += chain.from_iterable(map(dict.values, objects))
            if list in kinds:
                below += chain.from_iterable(part if len(kinds) == 1 else [one for one in part if type(one) is list])
        level, depth = below, depth + 1


def encode(value: Any) -> bytes:  # noqa: ANN401 # JSON, or a record
    """Encode a value of any size as `msgspec.json.encode` does."""
    buffer = bytearray()
    _write(buffer, value, 0)
    return bytes(buffer)


def _write(buffer: bytearray, value: Any, depth: int) -> None:  # noqa: ANN401 # as above
    """Write a value at the end of a buffer."""
    if type(value) is list and len(value) > _CHUNK:
        _write_chunks(buffer, (value[at : at + _CHUNK] for at in range(0, len(value), _CHUNK)))
    elif type(value) is dict and len(value) > _CHUNK:
        pairs = iter(value.items())
        _write_chunks(buffer, iter(lambda: dict(islice(pairs, _CHUNK)), {}))
    elif depth < _OPENED and type(value) is list and value:
        for number, one in enumerate(value):
            buffer += b"," if number else b"["
            _write(buffer, one, depth + 1)
        buffer += b"]"
    elif depth < _OPENED and type(value) is dict and value:
        for number, (key, one) in enumerate(value.items()):
            buffer += b"," if number else b"{"
            _encode_into(key, buffer, -1)
            buffer += b":"
            _write(buffer, one, depth + 1)
        buffer += b"}"
    else:
        _encode_into(value, buffer, -1)


def _write_chunks(buffer: bytearray, chunks: Iterator[Any]) -> None:
    """Write parts of one list or object as one: each begins where the bracket of the one before closed."""
    _encode_into(next(chunks), buffer, -1)
    for chunk in chunks:
        seam = len(buffer) - 1
        _encode_into(chunk, buffer, seam)
        buffer[seam] = _COMMA


def encode_all(records: Sequence[msgspec.Struct]) -> bytes:
    """Encode a list of records, with what is large in their fields."""
    return b"[" + b",".join(map(_encode_record, records)) + b"]"


def _encode_record(record: msgspec.Struct) -> bytes:
    fields = ((name, getattr(record, name)) for name in record.__struct_fields__)
    # A text is written in one go, whatever its length.
    heavy = {name: msgspec.Raw(encode(one)) for name, one in fields if type(one) is not str and is_large(one)}
    return _encode(msgspec.structs.replace(record, **heavy) if heavy else record)


def size(value: JSONValue) -> int:
    """Return how many bytes a value takes as JSON."""
    buffer = bytearray()
    _write(buffer, value, 0)
    return len(buffer)
