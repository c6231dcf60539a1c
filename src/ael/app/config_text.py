"""Edits of YAML whose values stand in brackets over several lines, JSON among it: in the text, one entry at a time.

A library that writes a document anew puts such a value on one line, and drops the comments in it. What the text means
after an edit is checked by who asks for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from ael.app.config_paths import Part
from ael.values import JSONValue

#: A node of PyYAML.
_Node: TypeAlias = Any
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
#: What is no text for one reader or another.
_NO_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_COMMENT = re.compile(r"(?:(?<=\s)|^)#[^\n]*", re.MULTILINE)
_STEP = re.compile(r"\n( +)\S")


def has_lines_in_brackets(text: str) -> bool:
    """Return whether a value in brackets stands on several lines."""
    return any(
        one.flow_style and one.start_mark.line < one.end_mark.line
        for one in _walk(_compose(text))
        if one.id != "scalar"
    )


def put_in_text(text: str, path: tuple[Part, ...], value: JSONValue) -> str | None:
    """Return a text with a value at a path; None where it has no place for it that can be told."""
    at = _compose(text)
    for depth, part in enumerate(path):
        inner = _inner(at, part)
        if inner is None:
            rest: JSONValue = value
            for name in reversed(path[depth + 1 :]):
                rest = {name: rest} if isinstance(name, str) else [rest]
            if _fits(at, part):
                return _insert(text, at, part, rest)
            # Something else stands there: the entry takes its place.
            wrapped: JSONValue = {part: rest} if isinstance(part, str) else [rest]
            return _replace(text, at, wrapped) if depth else None
        at = inner
    return _replace(text, at, value)


def remove_in_text(text: str, path: tuple[Part, ...]) -> str | None:
    """Return a text without the entry at a path; None where it cannot be cut out alone."""
    at: _Node | None = _compose(text)
    for part in path[:-1]:
        at = None if at is None else _inner(at, part)
    if at is None or at.id == "scalar" or _inner(at, path[-1]) is None:
        return None
    entries = _spans(at)
    number = path[-1] if isinstance(path[-1], int) else [key.value for key, _ in at.value].index(path[-1])
    return (_cut_flow if at.flow_style else _cut_block)(text, at, entries, number)


# -- nodes ------------------------------------------------------------------------------------------------------------


def _compose(text: str) -> _Node:
    import yaml  # noqa: PLC0415 # 17 ms to import, for commands that edit

    return yaml.compose(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))


def _walk(node: _Node | None) -> Iterator[_Node]:
    waiting = [] if node is None else [node]
    while waiting:
        one = waiting.pop()
        yield one
        if one.id == "mapping":
            waiting += [part for pair in one.value for part in pair]
        elif one.id == "sequence":
            waiting += one.value


def _inner(node: _Node, part: Part) -> _Node | None:
    if node.id == "mapping":
        return next((value for key, value in node.value if key.value == part), None)
    if node.id == "sequence" and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    return None


def _fits(node: _Node, part: Part) -> bool:
    return (node.id == "mapping" and isinstance(part, str)) or (node.id == "sequence" and part == len(node.value))


def _spans(node: _Node) -> list[tuple[int, int]]:
    """Return where each entry begins and ends."""
    pairs = node.value if node.id == "mapping" else [(item, item) for item in node.value]
    return [(key.start_mark.index, value.end_mark.index) for key, value in pairs]


def _last_part(node: _Node) -> _Node:
    """Return the value that the lines of a node end with."""
    while node.id != "scalar" and not node.flow_style:
        node = node.value[-1][1] if node.id == "mapping" else node.value[-1]
    return node


def _has_lines_of_text(node: _Node) -> bool:
    return node.id == "scalar" and node.style in {"|", ">"}


# -- values -----------------------------------------------------------------------------------------------------------


def _written(value: JSONValue, indent: str = "", step: str = "", *, lines: bool = False) -> str:
    """Return a value as JSON, which is YAML too; in `lines` as editors lay it out."""
    if not lines or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, indent=step or "  ").replace("\n", f"\n{indent}")


def _is_plain(text: str) -> bool:
    """Return whether a text needs no quotes anywhere."""
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _NO_TEXT


def _entry(node: _Node, part: Part, value: str) -> str:
    if isinstance(part, int):
        return value
    # As the keys beside it are written.
    quoted = any(key.style for key, _ in node.value) or (not node.value and node.flow_style)
    return f"{part if _PLAIN.fullmatch(part) and not quoted else json.dumps(part, ensure_ascii=False)}: {value}"


def _replace(text: str, node: _Node, value: JSONValue) -> str | None:
    start, end = node.start_mark.index, node.end_mark.index
    if (node.id != "scalar" and not node.flow_style) or _has_lines_of_text(node):
        return None
    if start == end:
        # An empty value: its mark may be behind comments that are none of it.
        before = text[:start].rstrip()
        return f"{before} {_written(value)}{text[len(before) :]}" if before.endswith((":", "-")) else None
    if node.id == "scalar" and not node.style and isinstance(value, str) and _is_plain(value):
        return text[:start] + value + text[end:]
    on_lines = node.id != "scalar" and "\n" in text[start:end]
    return text[:start] + _written(value, _indent(text, start), _step(text), lines=on_lines) + text[end:]


def _indent(text: str, at: int) -> str:
    """Return the white space that the line of a place begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _step(text: str) -> str:
    found = _STEP.search(text)
    return found[1] if found is not None and len(found[1]) <= 8 else "  "


# -- entries ----------------------------------------------------------------------------------------------------------


def _insert(text: str, node: _Node, part: Part, value: JSONValue) -> str | None:
    """Add an entry behind the last one, laid out as it is."""
    if not node.flow_style:
        return _insert_line(text, node, part, value)
    start, close = node.start_mark.index, node.end_mark.index - 1
    step = _step(text)
    if not node.value:
        if text[start + 1 : close].strip():
            return None
        outer = _indent(text, start)
        entry = _entry(node, part, _written(value, outer + step, step, lines=True))
        return f"{text[: start + 1]}\n{outer}{step}{entry}\n{outer}{text[close:]}"
    spans = _spans(node)
    end = spans[-1][1]
    rest = text[end:close]
    kept = rest.rstrip()
    comma, last_comma = ("", ",") if "," in _COMMENT.sub("", rest) else (",", "")
    head = text[:end] + comma + kept
    if "\n" not in text[start:close]:
        return f"{head} {_entry(node, part, _written(value))}{last_comma}{rest[len(kept) :]}{text[close:]}"
    first = spans[0][0]
    # Where the first entry stands behind the bracket, the others stand one step in.
    alone = not text[text.rfind("\n", 0, first) + 1 : first].strip()
    indent = _indent(text, first) if alone else _indent(text, start) + step
    entry = _entry(node, part, _written(value, indent, step, lines=True))
    return f"{head}\n{indent}{entry}{last_comma}{rest[len(kept) :]}{text[close:]}"


def _insert_line(text: str, node: _Node, part: Part, value: JSONValue) -> str | None:
    """Add an entry to a mapping or list in lines."""
    last = _last_part(node)
    if _has_lines_of_text(last) or last.start_mark.index == last.end_mark.index:
        return None
    end = text.find("\n", last.end_mark.index)
    end = len(text) if end < 0 else end
    column = node.start_mark.column
    written = _block(value, " " * (column + 2), _entry(node, part, ""))
    entry = written if isinstance(part, str) else f"- {written}"
    return f"{text[:end]}\n{' ' * column}{entry}{text[end:]}"


def _block(value: JSONValue, indent: str, key: str) -> str:
    """Return an entry with its value in lines, the parts of a mapping one below the other."""
    if not key or not isinstance(value, dict) or not value:
        return f"{key}{_written(value)}"
    lines = [
        _block(one, f"{indent}  ", f"{name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)}: ")
        for name, one in value.items()
    ]
    return f"{key.rstrip()}\n{indent}" + f"\n{indent}".join(lines)


def _cut_flow(text: str, node: _Node, entries: list[tuple[int, int]], number: int) -> str | None:
    start, end = entries[number]
    if number + 1 < len(entries):
        return _without_line(text, start, _after_comma(text, end))
    close = node.end_mark.index - 1
    if "," in _COMMENT.sub("", text[end:close]):
        return _without_line(text, start, _after_comma(text, end))
    if number:
        # The comma before it would stand before the bracket.
        comma = _after_comma(text, entries[number - 1][1]) - 1
        return text[:comma] + text[comma + 1 : start].rstrip() + text[end:]
    opening = node.start_mark.index + 1
    return None if (text[opening:start] + text[end:close]).strip() else text[:opening] + text[close:]


def _cut_block(text: str, node: _Node, entries: list[tuple[int, int]], number: int) -> str | None:
    """Cut out the lines of an entry that has them for itself."""
    if len(entries) == 1 or node.id != "mapping":
        return None
    value = _last_part(node.value[number][1])
    line = text.rfind("\n", 0, entries[number][0]) + 1
    if _has_lines_of_text(value) or text[line : entries[number][0]].strip():
        return None
    end = text.find("\n", value.end_mark.index)
    return text[:line] + ("" if end < 0 else text[end + 1 :])


def _after_comma(text: str, at: int) -> int:
    """Return the place behind the comma that follows a value; comments may stand between."""
    while text[at] != ",":
        comment = _COMMENT.match(text, at)
        at = comment.end() if comment else at + 1
    return at + 1


def _without_line(text: str, start: int, end: int) -> str:
    """Cut out an entry, with its line where it has it for itself, and the comment behind it."""
    line = text.rfind("\n", 0, start) + 1
    rest = re.compile(r"[ \t]*(?:#[^\n]*)?\n").match(text, end)
    if rest is not None and not text[line:start].strip():
        return text[:line] + text[rest.end() :]
    return text[:start] + text[end:].lstrip(" ")
