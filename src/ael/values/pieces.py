"""Large JSON texts in pieces: a container of many small parts is cut between them, and each piece decoded by itself.

Where to cut is a guess, made by counting brackets, and decoding proves it: JSON is read from left to right, so a piece
that is valid between brackets of its own leaves the reader where it was, after a part of the same container. Where no
cut is found, in parts that are large or in texts full of brackets, the caller opens the container in another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

#: Bytes after a piece in which its end is looked for, and commas that are looked at.
_BEYOND, _COMMAS = 16 * 1024, 500

#: Cuts that are tried for one piece.
_TRIED = 3

#: What JSON calls white space, and how much of it may be at the ends.
_SPACE, _MARGIN = b" \t\n\r", 64

_CLOSERS = {b"[": b"]", b"{": b"}"}

_decode = msgspec.json.Decoder().decode


def decode_in_pieces(data: bytes | msgspec.Raw, size: int) -> Any:  # noqa: ANN401 # a list or an object
    """Return the list or object that a text is, decoded in pieces of about `size` bytes; None where that cannot be."""
    text = memoryview(data)
    start, end = _ends(text)
    opener = bytes(text[start : start + 1])
    closer = _CLOSERS.get(opener)
    if closer is None or bytes(text[end:][:1]) != closer:
        return None
    found: Any = [] if opener == b"[" else {}
    add = found.extend if opener == b"[" else found.update
    start += 1
    try:
        while end - start > size:
            window = bytes(text[start : min(end, start + size + _BEYOND)])
            cut, part = _piece(window, size, opener, closer)
            add(part)
            start += cut + 1
        part = _decode(b"".join((opener, text[start:end], closer)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # Whoever decodes it in another way says what is wrong.
        return None
    # A comma before the end is none of JSON's.
    add(part)
    return found if part else None


def _piece(window: bytes, size: int, opener: bytes, closer: bytes) -> tuple[int, Any]:
    """Return where a piece ends, and what is in it; raises what the decoder raises for the last guess."""
    problem: Exception = msgspec.DecodeError("no cut was found")
    for number, cut in enumerate(_cuts(window, size)):
        if number == _TRIED:
            break
        try:
            part = _decode(opener + window[:cut] + closer)
        except msgspec.MsgspecError as error:
            problem = error
            continue
        if part:
            return cut, part
    raise problem


def _cuts(window: bytes, size: int) -> Iterator[int]:
    """Give the commas after `size` bytes that no bracket encloses, as if none stood in a text."""
    depth, place = _depth(window[:size]), size
    for _ in range(_COMMAS):
        comma = window.find(b",", place)
        if comma < 0:
            return
        depth += _depth(window[place:comma])
        if depth == 0:
            yield comma
        place = comma + 1


def _depth(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[") - text.count(b"}") - text.count(b"]")


def _ends(text: memoryview) -> tuple[int, int]:
    """Return the places of the first and the last byte that are no white space, of which a little may be there."""
    head, tail = bytes(text[:_MARGIN]), bytes(text[-_MARGIN:])
    return len(head) - len(head.lstrip(_SPACE)), len(text) - 1 - (len(tail) - len(tail.rstrip(_SPACE)))
