"""A stream of bytes into lines, none longer than a limit; what is longer is skipped, and whose answer it was is told.

A message of JSON-RPC says its id near its beginning or its end, whatever the library that wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MEMBER = rb'\s*"jsonrpc"\s*:\s*"2\.0"\s*'
_ID = rb'\s*"id"\s*:\s*"?(\d{1,18})"?\s*'
_AT_HEAD = re.compile(rb"\s*\{(?:" + _MEMBER + rb",)?" + _ID + rb",")
_AT_TAIL = re.compile(rb"," + _ID + rb"(?:," + _MEMBER + rb")?\}\s*$")

#: Bytes at the two ends of a message in which its id is looked for.
_END = 256


class LineReader:
    """Cuts a stream into lines."""

    def __init__(self, limit: int, on_too_long: Callable[[int | None, bool], None]) -> None:
        """Take the most bytes of a line and what to call for a longer one.

        It is called with the id of the message as soon as the limit is passed, where the head says it, or at the
        end of the line with the one that its tail says; with None where neither does, and then the flag tells
        whether the line has ended.
        """
        self._limit = limit
        self._on_too_long = on_too_long
        self._chunks: list[bytes] = []
        self._size = 0
        #: The last bytes of a line that is skipped, while its id is unknown.
        self._tail: bytes | None = None
        self._skipping = False

    def feed(self, data: bytes) -> list[list[bytes]]:
        """Take a part of the stream; return the lines that it ends, each in the chunks in which it came."""
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return []
        rest = data[end + 1 :]
        first, *others = data[:end].split(b"\n")
        self._keep(first)
        lines = self._ended()
        for line in others:
            if len(line) > self._limit:
                self._on_too_long(number_at_head(line[:_END]) or number_at_tail(line[-_END:]), True)
            elif line:
                lines.append([line])
        if rest:
            self._keep(rest)
        return lines

    def _keep(self, data: bytes) -> None:
        if self._skipping:
            if self._tail is not None:
                self._tail = (self._tail + data)[-_END:]
            return
        self._size += len(data)
        self._chunks.append(data)
        if self._size > self._limit:
            self._skip()

    def _skip(self) -> None:
        number = number_at_head(b"".join(self._chunks[:8])[:_END])
        self._tail = None if number is not None else b"".join(self._chunks[-8:])[-_END:]
        self._chunks, self._size, self._skipping = [], 0, True
        self._on_too_long(number, False)

    def _ended(self) -> list[list[bytes]]:
        chunks, self._chunks, self._size = self._chunks, [], 0
        if not self._skipping:
            return [chunks]
        if self._tail is not None:
            self._on_too_long(number_at_tail(self._tail), True)
        self._skipping, self._tail = False, None
        return []


def number_at_head(text: bytes) -> int | None:
    """Return the id of a message that begins so, if it stands there."""
    found = _AT_HEAD.match(text)
    return int(found[1]) if found else None


def number_at_tail(text: bytes) -> int | None:
    """Return the id of a message that ends so, if it stands there."""
    found = _AT_TAIL.search(text)
    return int(found[1]) if found else None
