"""The last lines that a server wrote to its standard error: bounded in memory, safe to show.

They are a stranger's words: shown where its own state is shown, and nowhere else.
"""

from __future__ import annotations

import re
from collections import deque

from ael.values import beginning

#: Lines that are kept, and bytes of each.
_LINES, _LINE = 100, 2000

#: What a terminal acts on: escape sequences as a whole.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)?")


class LastLines:
    """Keeps the last lines of a stream; those of a process that is gone stay until others push them out."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque(maxlen=_LINES)
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Take a part of the stream."""
        head, newline, rest = data.rpartition(b"\n")
        if newline:
            first, *others = head.split(b"\n")
            self._lines.append((self._rest + first)[: _LINE + 1])
            self._lines.extend(line[: _LINE + 1] for line in others[-_LINES:])
            self._rest = b""
        # The beginning of a line says more than its end.
        self._rest = (self._rest + rest[: _LINE + 1])[: _LINE + 1]

    def end(self) -> None:
        """Take notice that the stream ended, perhaps within a line."""
        if self._rest:
            self._lines.append(self._rest)
            self._rest = b""

    def lines(self) -> list[str]:
        """Return the lines without what a terminal would act on."""
        rest = [self._rest] if self._rest else []
        return [_shown(line) for line in [*self._lines, *rest][-_LINES:]]


def _shown(line: bytes) -> str:
    text = visible(line.decode("utf-8", "replace"))
    return text if len(line) <= _LINE else beginning(text, len(text) - 1)


def visible(text: str) -> str:
    """Return a text of a stranger without escape sequences and characters that are not shown; lines stay."""
    if text.isascii() and text.isprintable():
        return text
    plain = _ESCAPES.sub("", text)
    return "".join(one if one.isprintable() or one in "\n\t" else " " if one.isspace() else "\ufffd" for one in plain)
