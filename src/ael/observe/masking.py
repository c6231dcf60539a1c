"""Masking of secrets, wherever people or sinks see data.

Guaranteed forms, also inside longer texts: raw, JSON-escaped (JSON within JSON too), URL-encoded, and base64 at each
alignment. One linear-time pass by RE2, which is imported only where there are secrets.

A secret of fewer than four characters is masked only where it is a whole value: "a" is in too many words. Where a text
was cut, which `…` says, also what is left of a secret is masked, from four characters on: its beginning before the cut,
its end after it.
Above stand the journal's readers, the logs and the app; below values and errors.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from ael.errors import AelError, ErrorRecord, Problem, ProblemsError
from ael.values import JSONValue, text

MASK = "***"

#: Shorter secrets, and shorter pieces of base64, are not looked for inside texts.
_SHORTEST_INSIDE = 4
#: What RE2 may use for its automata; beyond it, it falls back to slower ones, never to wrong ones.
_RE2_MEMORY = 64 << 20

#: Fields of records that hold what workflows, tools and code said, names of tools too; states and times are ours.
_DATA = frozenset({"inputs", "outputs", "output", "params", "result", "printed", "note", "tool", "resolved"})

_ERROR_TEXTS = ("message", "detail", "suggestion", "cause", "tool_name")

_Record = TypeVar("_Record", bound=msgspec.Struct)

_SHORT_ESCAPES = {"\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r"}
#: The letters of base64 that differ between its alphabets, or that JSON and URLs escape.
_BASE64_LETTERS = {"+": r"(?:[+\-]|%2[bB])", "/": r"(?:\\*/|_|%2[fF])"}


class Masker:
    """Replaces secrets; false when there are none."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._whole = frozenset(secret for secret in secrets if secret)
        self._inside = frozenset(secret for secret in self._whole if len(secret) >= _SHORTEST_INSIDE)

    def __bool__(self) -> bool:
        return bool(self._whole)

    def text(self, text: str) -> str:
        """Return a text without secrets; total, lone surrogates included."""
        if text in self._whole:
            return MASK
        if not self._inside or not text:
            return text
        masked: bytes = _pattern(self._inside).sub(MASK.encode(), text.encode("utf-8", "surrogatepass"))
        whole = masked.decode("utf-8", "surrogatepass")
        return _edges(self._inside).mask(whole) if "…" in whole or "\\u2026" in whole else whole

    def value(self, value: JSONValue) -> JSONValue:
        """Return a JSON value without secrets, keys included; keys that become equal are numbered."""
        if not self._whole:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        # A secret input may be a number; as part of another number it means nothing.
        if isinstance(value, int | float) and not isinstance(value, bool) and text(value) in self._whole:
            return MASK
        return value

    def _object(self, value: dict[str, JSONValue]) -> dict[str, JSONValue]:
        masked: dict[str, JSONValue] = {}
        for key, item in value.items():
            name = shown = self.text(key)
            number = 1
            while name in masked:
                number += 1
                name = f"{shown} ({number})"
            masked[name] = self.value(item)
        return masked

    def record(self, record: _Record) -> _Record:
        """Return a copy of a record without secrets in its data and errors, at any depth.

        What programs decide by (codes, states, ids, times) stays as it is, even where it reads like a secret.
        """
        if not self._whole:
            return record
        if isinstance(record, ErrorRecord):
            changed: dict[str, Any] = {name: self.value(getattr(record, name)) for name in _ERROR_TEXTS}
        else:
            changed = {}
            for name in record.__struct_fields__:
                found = getattr(record, name)
                if name in _DATA:
                    changed[name] = self.value(found)
                elif isinstance(found, msgspec.Struct):
                    changed[name] = self.record(found)
                elif isinstance(found, list | tuple) and found and isinstance(found[0], msgspec.Struct):
                    changed[name] = type(found)(map(self.record, found))
        return msgspec.structs.replace(record, **changed)

    def problem(self, problem: Problem) -> Problem:
        """Return a problem without secrets in its texts."""
        if not self._whole:
            return problem
        texts = {name: self.text(getattr(problem, name)) for name in ("message", "suggestion", "source_line")}
        return msgspec.structs.replace(problem, **texts)

    def error(self, error: AelError) -> None:
        """Take the secrets out of an error that is on its way to somebody."""
        if not self._whole:
            return
        for name in _ERROR_TEXTS:
            found = getattr(error, name)
            setattr(error, name, self.text(found) if isinstance(found, str) else found)
        if isinstance(error, ProblemsError):
            error.problems = tuple(map(self.problem, error.problems))


def leaves(value: JSONValue) -> list[str]:
    """Return the texts of all scalars of a value, booleans and null aside."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [] if value is None or isinstance(value, bool) else [text(value)]


@lru_cache(maxsize=16)
def _pattern(secrets: frozenset[str]) -> Any:  # noqa: ANN401 # re2 has no types
    """Return what finds all forms of all secrets; kept, since compiling 138 of them takes 10 ms."""
    import re2  # noqa: PLC0415 # needed only where there are secrets

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_MEMORY
    # The pattern is about bytes: texts with lone surrogates are no UTF-8, and must be masked too.
    options.encoding = re2.Options.Encoding.LATIN1
    longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))
    forms = [form for secret in longest_first for form in (_plain_form(secret), *_base64_forms(secret))]
    return re2.compile("|".join(forms).encode(), options)


#: What stands where a text was cut, also as JSON writes it.
_CUT = re.compile(r"(…|\\u2026)")


#: Characters at the end of a text in which cuts are looked for: nobody shows more, but for what code printed.
_NEAR_END = 16 * 1024


class _Edges:
    """Finds what is left of secrets beside cuts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _written_forms(secret)}
        self._longest = max(map(len, forms))
        self._heads: dict[str, list[str]] = {}
        self._tails: dict[str, list[str]] = {}
        for form in sorted(forms):
            self._heads.setdefault(form[:_SHORTEST_INSIDE], []).append(form)
            self._tails.setdefault(form[-_SHORTEST_INSIDE:], []).append(form)

    def mask(self, text: str) -> str:
        """Return a text without them: each piece of its end is looked at once. Longer texts are cut at their end."""
        pieces = _CUT.split(text[-_NEAR_END:])
        for at in range(0, len(pieces), 2):
            if at + 1 < len(pieces):
                pieces[at] = self._without_head(pieces[at])
            if at:
                pieces[at] = self._without_tail(pieces[at])
        return text[:-_NEAR_END] + "".join(pieces)

    def _without_head(self, piece: str) -> str:
        """Return a piece without the beginning of a secret at its end."""
        # A space may stand before a cut, and JSON within JSON has more backslashes before one that is escaped.
        ends = {len(piece), len(piece.rstrip("\\")), len(piece.removesuffix(" "))}
        return _masked(piece, [(start, end) for end in ends if (start := self._start_of_head(piece, end)) is not None])

    def _start_of_head(self, piece: str, end: int) -> int | None:
        """Return where the longest beginning of a secret starts that goes to an end."""
        for start in range(max(0, end - self._longest), end - _SHORTEST_INSIDE + 1):
            found = self._heads.get(piece[start : start + _SHORTEST_INSIDE], ())
            if any(form.startswith(piece[start:end]) for form in found):
                return start
        return None

    def _without_tail(self, piece: str) -> str:
        """Return a piece without the end of a secret at its beginning."""
        starts = (0, 1) if piece.startswith(" ") else (0,)
        return _masked(piece, [(start, end) for start in starts if (end := self._end_of_tail(piece, start))])

    def _end_of_tail(self, piece: str, start: int) -> int:
        """Return where the longest end of a secret ends that goes on from a start; 0 if there is none."""
        for end in range(min(len(piece), start + self._longest), start + _SHORTEST_INSIDE - 1, -1):
            found = self._tails.get(piece[end - _SHORTEST_INSIDE : end], ())
            if any(form.endswith(piece[start:end]) for form in found):
                return end
        return 0


def _masked(piece: str, found: list[tuple[int, int]]) -> str:
    """Return a piece without all that was found: with the space beside the cut it may be less than without."""
    if not found:
        return piece
    return piece[: min(start for start, _ in found)] + MASK + piece[max(end for _, end in found) :]


_edges = lru_cache(maxsize=16)(_Edges)


def _written_forms(secret: str) -> list[str]:
    """Return a secret as it is usually written in each of the forms."""
    quoted = quote(secret, safe="", errors="surrogatepass")
    escaped = [json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)]
    return [secret, *escaped, quoted, quote_plus(secret, errors="surrogatepass"), *_base64_cores(secret)]


def _plain_form(secret: str) -> str:
    """Return a pattern for the secret itself, each character raw, JSON-escaped or URL-encoded."""
    return "".join(map(_character, secret))


def _character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    raw = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    # Any number of backslashes is JSON within JSON.
    escaped = "".join(rf"\\+u{_any_case(units[start : start + 2].hex())}" for start in range(0, len(units), 2))
    forms = [_literal(raw), escaped, "".join(f"%{_any_case(f'{byte:02x}')}" for byte in raw)]
    if character in '"/':
        forms[0] = rf"\\*{_literal(raw)}"
    elif character == "\\":
        forms[0] = r"\\+"
    elif character == " ":
        forms.append(r"\+")
    elif character in _SHORT_ESCAPES:
        forms.append(rf"\\+{_SHORT_ESCAPES[character]}")
    return f"(?:{'|'.join(forms)})"


def _literal(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def _any_case(hexadecimal: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in hexadecimal)


def _base64_forms(secret: str) -> list[str]:
    """Return patterns for the secret inside base64, one an alignment.

    The first and last letters also depend on the neighbours: the last is masked whatever it is; the first stays, for
    a pattern that begins with any letter is five times slower, and it tells four bits at most.
    """
    # One more letter is in its last group, unless that is full.
    size = len(secret.encode("utf-8", "surrogatepass"))
    return [
        "".join(_BASE64_LETTERS.get(letter, letter) for letter in core)
        + (r"[0-9A-Za-z+/_\-]?" if (alignment + size) % 3 else "")
        for alignment, core in enumerate(_base64_cores(secret))
        if len(core) >= _SHORTEST_INSIDE
    ]


def _base64_cores(secret: str) -> list[str]:
    """Return the letters of base64 that the secret alone decides, once an alignment."""
    raw = secret.encode("utf-8", "surrogatepass")
    cores: list[str] = []
    for alignment, start in enumerate((0, 2, 3)):
        groups, rest = divmod(alignment + len(raw), 3)
        cores.append(base64.b64encode(b"\0" * alignment + raw).decode()[start : groups * 4 + rest])
    return cores
