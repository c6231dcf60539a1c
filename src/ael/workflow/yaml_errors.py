"""What the YAML parser says, in words that name the mistake and the repair.

`yaml_reader` asks, and makes problems of the answers; the parser's own words are the last resort.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

_COLON = re.compile(r":(?=\s|$)")
_NO_SPACE_AFTER_COLON = re.compile(r"(\s*(?:- )*[A-Za-z_][\w-]*:)[^\s:/]")
_NO_SPACE_AFTER_DASH = re.compile(r"(\s*-)[A-Za-z_][\w-]*:(\s|$)")
_TEMPLATE_IN_BRACES = re.compile(r"(?<!\{)[{,]\s*[\w-]+:\s+([^\s'\"{\[,][^,']*\{\{)")
_CLOSED_QUOTE = re.compile(r"[:\-,\[{]\s+(['\"]).*\1\s*$")


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A mistake; line and column from 1."""

    message: str
    suggestion: str = ""
    line: int
    column: int


class _Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parser stopped and why."""

    problem: str
    context: str
    line: int
    column: int
    #: The text of the line and of the last line with content above it.
    source: str
    above: str
    above_line: int
    #: Where the thing began that the parser was reading.
    begun: tuple[int, int] | None
    begun_source: str

    @property
    def before(self) -> str:
        """The text of the line left of the place."""
        return self.source[: self.column - 1]

    def here(self, message: str, suggestion: str = "", *, column: int | None = None) -> Explanation:
        """Explain at this place."""
        return Explanation(message=message, suggestion=suggestion, line=self.line, column=column or self.column)

    def at(self, place: tuple[int, int] | None, message: str, suggestion: str) -> Explanation:
        """Explain at another place where it is known."""
        line, column = place or (self.line, self.column)
        return Explanation(message=message, suggestion=suggestion, line=line, column=column)


_Rule: TypeAlias = Callable[[_Stop], Explanation | None]


def explain(error: Any, lines: Sequence[str]) -> Explanation:  # noqa: ANN401 # a MarkedYAMLError; yaml is imported late
    """Return what is wrong with a text that the parser refused."""
    mark = error.problem_mark or error.context_mark
    if error.context_mark and "could not find expected ':'" in (error.problem or ""):
        # The parser only notices on a later line.
        mark = error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    above_line = min(line - 1, len(lines))
    while above_line > 0 and not lines[above_line - 1].strip():
        above_line -= 1
    begun = error.context_mark
    stop = _Stop(
        problem=error.problem or "not YAML",
        context=error.context or "",
        line=line,
        column=column,
        source=lines[line - 1] if line <= len(lines) else "",
        above=lines[above_line - 1] if above_line > 0 else "",
        above_line=above_line,
        begun=(begun.line + 1, begun.column + 1) if begun else None,
        begun_source=lines[begun.line] if begun and begun.line < len(lines) else "",
    )
    for rule in _RULES:
        found = rule(stop)
        if found is not None:
            return found
    return stop.here(f"not YAML: {stop.problem} {stop.context}".rstrip())


def _tab(stop: _Stop) -> Explanation | None:
    if "cannot start any token" not in stop.problem and "tab character" not in stop.problem:
        return None
    tab = stop.source.find("\t")
    if 0 <= tab <= stop.column and not stop.source[:tab].strip():
        return stop.here("a tab in the indentation", "Indent with spaces.", column=tab + 1)
    return None


def _start_of_value(stop: _Stop) -> Explanation | None:
    special = "cannot start any token" in stop.problem
    alias = "scanning an alias" in stop.context or "scanning an anchor" in stop.context
    if not special and not alias:
        return None
    line, column = stop.begun if alias and stop.begun else (stop.line, stop.column)
    at = stop.source[column - 1 : column] if line == stop.line else "*"
    return stop.at((line, column), f"a value cannot start with '{at}'", "Put the value in quotes.")


def _colon(stop: _Stop) -> Explanation | None:
    if "mapping values are not allowed" not in stop.problem:
        return None
    if _COLON.search(stop.before):
        return stop.here("a value holds a colon followed by a space", "Put the value in quotes.")
    colon = _NO_SPACE_AFTER_COLON.match(stop.above)
    if colon:
        place = (stop.above_line, len(colon[1]) + 1)
        return stop.at(place, "no space after the colon", "Write `key: value`.")
    dash = _NO_SPACE_AFTER_DASH.match(stop.above)
    if dash:
        place = (stop.above_line, len(dash[1]) + 1)
        return stop.at(place, "no space after the dash", "Write `- key: value`.")
    first = len(stop.source) - len(stop.source.lstrip()) + 1
    message = "a key stands deeper than the line above allows"
    return stop.here(message, "Indent it like the key above it.", column=first)


def _template_in_braces(stop: _Stop) -> Explanation | None:
    """`{code: return "{{ x }}"}`: YAML ends the value at the template's own braces."""
    for line, source in ((stop.line, stop.source), (stop.begun[0] if stop.begun else 0, stop.begun_source)):
        found = _TEMPLATE_IN_BRACES.search(source)
        if found:
            message = "a value with {{ }} between { and } needs quotes"
            return stop.at((line, found.start(1) + 1), message, "Put the whole value in quotes.")
    return None


def _quote(stop: _Stop) -> Explanation | None:
    if "quoted scalar" not in stop.context:
        return None
    if "unexpected end of stream" in stop.problem or "document indicator" in stop.problem:
        return stop.at(stop.begun, "a quote is not closed", "Add the missing quote.")
    if "escape" in stop.problem or "hexdecimal" in stop.problem or "hexadecimal" in stop.problem:
        hint = "Use single quotes, or write two backslashes."
        return stop.here("a backslash in double quotes begins an escape", hint)
    return None


def _after_value(stop: _Stop) -> Explanation | None:
    if "expected" not in stop.problem:
        return None
    if stop.before.rstrip().endswith("}}"):
        start = stop.before.rfind("{{") + 1
        message = "a value that starts with {{ needs quotes"
        return stop.here(message, "Put the whole value in quotes.", column=start or stop.column)
    between_entries = "parsing a flow" in stop.context and stop.source[stop.column - 1 : stop.column] in {"'", '"'}
    if _CLOSED_QUOTE.search(stop.before) and not between_entries:
        hint = "Put the whole value in other quotes; inside single quotes write '' for one."
        return stop.here("text follows a closing quote", hint)
    return None


def _brackets(stop: _Stop) -> Explanation | None:
    if "parsing a flow" not in stop.context:
        return None
    if not stop.source.strip() and (at := _last_open(stop.above)) is not None:
        opening, closing = stop.above[at], "}" if stop.above[at] == "{" else "]"
        message = f"a '{opening}' is not closed, or a comma is missing"
        return stop.at((stop.above_line, at + 1), message, f"Add the missing '{closing}'.")
    opening, closing = ("{", "}") if "mapping" in stop.context else ("[", "]")
    message = f"a '{opening}' is not closed, or a comma is missing"
    if not stop.source.strip():
        return stop.at(stop.begun, message, f"Add the missing '{closing}'.")
    where = f"on line {stop.begun[0]}, column {stop.begun[1]}" if stop.begun else "above"
    return stop.here(message, f"It opens {where}.")


def _last_open(line: str) -> int | None:
    """Return where the last bracket of a line stands that the line does not close."""
    closed = 0
    for at in range(len(line) - 1, -1, -1):
        if line[at] in "]}":
            closed += 1
        elif line[at] in "[{":
            if not closed:
                return at
            closed -= 1
    return None


def _stray_bracket(stop: _Stop) -> Explanation | None:
    bracket = stop.source[stop.column - 1 : stop.column]
    if "expected" not in stop.problem or "parsing a flow" in stop.context or bracket not in {"]", "}"}:
        return None
    return stop.here(f"a '{bracket}' closes nothing", "Remove it, or put the value in quotes.")


def _no_colon(stop: _Stop) -> Explanation | None:
    if "could not find expected ':'" not in stop.problem:
        return None
    if stop.above.rstrip().endswith(("|", ">")):
        return stop.here("the text is not indented", "Indent it under its key.")
    hint = "Write `key: value`; text of several lines stands under `key: |`, indented."
    return stop.here("a line without a colon", hint)


def _indentation(stop: _Stop) -> Explanation | None:
    if not any(
        words in stop.problem for words in ("expected key", "block end", "'-' indicator", "not allowed", "dedent")
    ):
        return None
    if stop.above.rstrip().endswith(("|", ">")) or "|" in stop.context:
        return stop.here("the text is not indented", "Indent it under its key.")
    return stop.here("the indentation fits no line above", "Indent it like the key or the dash above it.")


def _documents(stop: _Stop) -> Explanation | None:
    if "single document" not in stop.context:
        return None
    return stop.here("the file holds several documents", "Keep one document in a file.")


def _alias(stop: _Stop) -> Explanation | None:
    if "undefined alias" not in stop.problem:
        return None
    hint = "A text that starts with * stands in quotes; an alias needs its `&name` above."
    return stop.here("an alias names no anchor", hint)


#: Asked in this order; the first that knows answers.
_RULES: tuple[_Rule, ...] = (
    _tab,
    _start_of_value,
    _colon,
    _template_in_braces,
    _quote,
    _after_value,
    _brackets,
    _stray_bracket,
    _no_colon,
    _documents,
    _alias,
    _indentation,
)
