"""Templates inside code: found in the text, replaced by placeholder names, bound as values when the step runs.

The host never parses code: a scanner here knows strings and comments, no more; the sandbox's child proves that every
placeholder stands where a value can (`sandbox/child/binder.py`). Spec: templates inside `code`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from ael.workflow.expressions import ExpressionError, Template, parse_template
from ael.workflow.expressions.parse import MAX_LENGTH, template_end

#: Names that a template in code may reference, besides the item's in `foreach` and `error` after a failure.
SCOPE = frozenset({"inputs", "steps", "execution", "workflow", "env"})

_STRING_START = re.compile(r"([A-Za-z]{0,2})('''|\"\"\"|'|\")")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH_ONLY = re.compile(r"\{\{\s*[A-Za-z_]\w*(\s*\.\s*\w+|\s*\[[^\]{}]*\])*\s*\}\}")


class CodeWarning(msgspec.Struct, frozen=True, kw_only=True):
    """Something that looks like a template and is left to Python; `offset` in characters."""

    message: str
    offset: int
    suggestion: str = ""


class BoundCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code block whose templates are placeholder names."""

    source: str
    #: (placeholder name, template) in the order of the text.
    placeholders: tuple[tuple[str, Template], ...] = ()
    warnings: tuple[CodeWarning, ...] = ()
    #: The text as the file has it.
    original: str = ""
    #: (offset in `source`, offset in `original`) behind each placeholder.
    offsets: tuple[tuple[int, int], ...] = ()

    @classmethod
    def verbatim(cls, code: str) -> BoundCode:
        """Return a block in which braces are Python's own."""
        return cls(source=code, original=code)

    def original_position(self, line: int, column: int) -> tuple[int, int]:
        """Return (line, column), both from 1, of the file's text for a place of `source`."""
        if not self.offsets:
            return line, column
        offset = _offset_of(self.source, line, column)
        index = bisect_right(self.offsets, (offset, len(self.original))) - 1
        if index >= 0:
            bound, original = self.offsets[index]
            offset = original + (offset - bound)
        offset = min(offset, len(self.original))
        before = self.original[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _offset_of(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
        if start == 0:
            return len(text)
    return min(start + column - 1, len(text))


def bind_code(source: str, names: frozenset[str] = SCOPE) -> BoundCode:
    """Replace the templates of a code block by placeholder names.

    `names` are the scope's: braces around anything else are Python's own. Raises `ExpressionError` for a template
    that is broken.
    """
    if "{{" not in source:
        return BoundCode.verbatim(source)
    prefix = _free_prefix(source)
    pieces: list[str] = []
    placeholders: list[tuple[str, Template]] = []
    warnings: list[CodeWarning] = []
    offsets: list[tuple[int, int]] = []
    length = copied = 0
    for start, in_string in _openings(source, names):
        if start < copied:
            continue
        found = _template_at(source, start, names)
        if isinstance(found, CodeWarning):
            if in_string:
                warnings.append(found)
            continue
        if found is None:
            continue
        template, end = found
        name = f"{prefix}{len(placeholders)}__"
        pieces += [source[copied:start], name]
        length += start - copied + len(name)
        offsets.append((length, end))
        placeholders.append((name, template))
        copied = end
    pieces.append(source[copied:])
    return BoundCode(
        source="".join(pieces),
        placeholders=tuple(placeholders),
        warnings=tuple(warnings),
        original=source,
        offsets=tuple(offsets),
    )


def _free_prefix(source: str) -> str:
    prefix, number = "ael_", 0
    while prefix in source:
        number += 1
        prefix = f"ael_x{number}_"
    return prefix


def _template_at(source: str, start: int, names: frozenset[str]) -> tuple[Template, int] | CodeWarning | None:
    """Return the template at `{{`, or why the braces are Python's own."""
    if source.startswith("{{{", start) and _is_template(source, start + 1, names):
        return None
    try:
        end = template_end(source, start)
        template = parse_template(source[start:end])
    except ExpressionError as error:
        if _mentions(source, start, names):
            offset = error.offset if error.offset >= start else start + error.offset
            raise ExpressionError(error.message, offset, error.suggestion) from error
        return None
    if any(reference.root in names for reference in template.references):
        return template, end
    if _PATH_ONLY.fullmatch(template.source):
        root = template.references[0].root if template.references else ""
        return CodeWarning(
            message=f"`{template.source}` is left to Python: '{root}' is no name of the scope",
            offset=start,
            suggestion=f"Names of the scope here: {', '.join(sorted(names))}.",
        )
    return None


def _is_template(source: str, start: int, names: frozenset[str]) -> bool:
    try:
        end = template_end(source, start)
        return any(found.root in names for found in parse_template(source[start:end]).references)
    except ExpressionError:
        return False


def _mentions(source: str, start: int, names: frozenset[str]) -> bool:
    """Say whether broken braces are meant as a template: they begin with a name of the scope."""
    inside = source[start + 2 : start + MAX_LENGTH].lstrip(" \t\n-+(").split("}}", 1)[0]
    match = _WORD.match(inside)
    return match is not None and match[0] in names and inside[match.end() : match.end() + 1] in {".", "[", " ", "", "|"}


class _String:
    """A string literal that the scanner is in."""

    __slots__ = ("closing", "depth", "formatted")

    def __init__(self, prefix: str, closing: str) -> None:
        self.closing = closing
        self.formatted = "f" in prefix.lower()
        #: Open braces of the replacement field of an f-string; 0: in its text.
        self.depth = 0


def _openings(source: str, names: frozenset[str]) -> Iterator[tuple[int, bool]]:
    """Yield (offset, is in a string) of every `{{` that is not in a comment.

    The receiver may skip ahead by ignoring offsets inside a template that it took; a template's own quotes are
    balanced, so the scan stays right.
    """
    stack: list[_String] = []
    position, end = 0, len(source)
    while position < end:
        character = source[position]
        top = stack[-1] if stack else None
        in_text = top is not None and not (top.formatted and top.depth)
        if source.startswith("{{", position):
            yield position, top is not None
            skip = _balanced(source, position, names)
            if skip is not None:
                position = skip
                continue
            if source.startswith("{{{", position) and _is_template(source, position + 1, names):
                # The first brace opens a replacement field or a dict around the template behind it.
                if top is not None and top.formatted:
                    top.depth += 1
                position += 1
                continue
            position += 2 if in_text else 1
            if not in_text and top is not None:
                top.depth += 1
        elif in_text:
            assert top is not None
            position = _in_text(source, position, stack, top)
        elif character == "#" and top is None:
            newline = source.find("\n", position)
            position = end if newline < 0 else newline
        elif (match := _STRING_START.match(source, position)) is not None:
            stack.append(_String(match[1], match[2]))
            position = match.end()
        else:
            position = _in_code(source, position, top)


def _balanced(source: str, start: int, names: frozenset[str]) -> int | None:
    """Return the end of the braces at `start` when they are an expression, so that its quotes confuse nobody."""
    try:
        end = template_end(source, start)
        found = parse_template(source[start:end])
    except ExpressionError:
        return None
    return end if any(reference.root in names or reference.path for reference in found.references) else None


def _in_text(source: str, position: int, stack: list[_String], top: _String) -> int:
    if source[position] == "\\":
        # A brace after a backslash still opens a template.
        return position + (1 if source.startswith("{{", position + 1) else 2)
    if source.startswith(top.closing, position):
        stack.pop()
        return position + len(top.closing)
    if source[position] == "\n" and len(top.closing) == 1:
        stack.clear()
    elif source[position] == "{" and top.formatted:
        top.depth = 1
    return position + 1


def _in_code(source: str, position: int, top: _String | None) -> int:
    character = source[position]
    if top is not None:
        if character in "([{":
            top.depth += 1
        elif character in ")]}":
            top.depth = max(0, top.depth - 1)
        elif source.startswith(top.closing, position):
            top.depth = 0
            return position
    match = _WORD.match(source, position)
    return match.end() if match is not None else position + 1
