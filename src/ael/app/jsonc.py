"""JSON with comments and trailing commas, as editors keep it: read with the place of each part, edited in the text.

An edit changes the bytes of one entry and nothing else; `json` alone would lose comments and layout.
"""

from __future__ import annotations

import json
import re
from typing import Literal, NoReturn

import msgspec

from ael.errors import Location, Problem
from ael.values import JSONValue

_MAX_DEPTH = 64
_SPACE = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"//[^\n]*|/\*(?s:.*?)\*/")
# Without giving back what was taken, which would cost memory for each character.
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\.)*+"')
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])|(?:true|false|null)\b")
_INDENT = "  "


class Unreadable(Exception):
    """The text is no JSON; holds the problem with its place."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of an object; `start` is where its key begins."""

    start: int
    node: Node


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A value and where it stands."""

    kind: Literal["object", "array", "scalar"]
    start: int
    end: int
    value: JSONValue
    #: Of an object.
    members: dict[str, Member] = {}
    #: Of an object or array with something in it: whether a comma ends it.
    trailing_comma: bool = False


def parse(text: str, file: str, *, comments: bool = True) -> Node:
    """Return the value of a text; raises `Unreadable`. Without `comments` only JSON itself is taken."""
    return _Parser(text, file, comments=comments).document()


class _Parser:
    def __init__(self, text: str, file: str, *, comments: bool) -> None:
        self._text = text
        self._file = file
        self._comments = comments
        self._at = 0

    def document(self) -> Node:
        if self._text.startswith("\ufeff"):
            self._at = 1
        self._space()
        node = self._value(1)
        self._space()
        if self._at < len(self._text):
            self._stop("text follows the end of the value")
        return node

    def _stop(self, message: str, suggestion: str = "", at: int | None = None) -> NoReturn:
        at = self._at if at is None else at
        line = self._text.count("\n", 0, at) + 1
        start = self._text.rfind("\n", 0, at) + 1
        lines = self._text.split("\n")
        raise Unreadable(
            Problem(
                message=message,
                suggestion=suggestion,
                location=Location(file=self._file, line=line, column=at - start + 1),
                source_line=lines[line - 1].rstrip("\r"),
            )
        )

    def _space(self) -> None:
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # matches nothing too
            if not self._text.startswith("/", self._at):
                return
            found = _COMMENT.match(self._text, self._at)
            if found is None:
                self._stop("a comment is not closed" if self._text.startswith("/*", self._at) else "unexpected '/'")
            if not self._comments:
                self._stop("this file may not hold comments", "Remove it: its client would not read the file either.")
            self._at = found.end()

    def _value(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            self._stop(f"nested deeper than {_MAX_DEPTH} levels")
        opening = self._text[self._at : self._at + 1]
        if opening == "{":
            return self._object(depth)
        if opening == "[":
            return self._array(depth)
        start = self._at
        if opening == '"':
            return Node(kind="scalar", start=start, value=self._string(), end=self._at)
        found = _SCALAR.match(self._text, self._at)
        if found is None:
            what = "the text ends where a value is expected" if not opening else f"unexpected '{opening}'"
            self._stop(what)
        self._at = found.end()
        value: JSONValue = json.loads(found[0])
        return Node(kind="scalar", start=start, end=self._at, value=value)

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            self._stop("a text is not closed, or holds a control character")
        try:
            value: str = json.loads(found[0])
            value.encode()
        except (ValueError, UnicodeError):
            self._stop("a text holds an escape that is none")
        self._at = found.end()
        return value

    def _object(self, depth: int) -> Node:
        start = self._at
        self._at += 1
        members: dict[str, Member] = {}
        trailing = False
        while not self._closes("}"):
            self._separated("}", later=bool(members), trailing=trailing)
            at = self._at
            if not self._text.startswith('"', at):
                self._stop("a key in double quotes is expected")
            key = self._string()
            if key in members:
                self._stop(f"the key '{key[:60]}' stands twice", "Remove one of them.", at)
            self._space()
            if not self._text.startswith(":", self._at):
                self._stop("':' is expected after a key")
            self._at += 1
            self._space()
            members[key] = Member(start=at, node=self._value(depth + 1))
            trailing = self._comma("}")
        value: JSONValue = {key: member.node.value for key, member in members.items()}
        return Node(kind="object", start=start, end=self._at, value=value, members=members, trailing_comma=trailing)

    def _array(self, depth: int) -> Node:
        start = self._at
        self._at += 1
        items: list[JSONValue] = []
        trailing = False
        while not self._closes("]"):
            self._separated("]", later=bool(items), trailing=trailing)
            items.append(self._value(depth + 1).value)
            trailing = self._comma("]")
        return Node(kind="array", start=start, end=self._at, value=items, trailing_comma=trailing)

    def _closes(self, bracket: str) -> bool:
        """Go past a closing bracket, if it is next."""
        self._space()
        if self._text.startswith(bracket, self._at):
            self._at += 1
            return True
        return False

    def _separated(self, bracket: str, *, later: bool, trailing: bool) -> None:
        if self._at == len(self._text):
            self._stop(f"the text ends before '{bracket}'")
        if later and not trailing:
            self._stop("a comma is missing")

    def _comma(self, bracket: str) -> bool:
        """Go past a comma; return whether there was one. Before a closing bracket only such files may have it."""
        self._space()
        if not self._text.startswith(",", self._at):
            return False
        at = self._at
        self._at += 1
        self._space()
        if self._text.startswith(bracket, self._at) and not self._comments:
            self._stop(f"a comma stands before '{bracket}'", "Remove it.", at)
        return True


# -- edits ------------------------------------------------------------------------------------------------------------


def put(text: str, file: str, path: tuple[str, ...], value: JSONValue, *, comments: bool = True) -> str:
    """Return a text with a value at a path of keys; raises `Unreadable`, also where something else is in the way."""
    root = parse(text, file, comments=comments)
    at = root
    for depth, key in enumerate(path):
        if at.kind != "object":
            _refuse(text, file, at, path[:depth])
        member = at.members.get(key)
        if member is None:
            inner: JSONValue = value
            for name in reversed(path[depth + 1 :]):
                inner = {name: inner}
            return _insert(text, at, key, inner)
        at = member.node
    indent = _indent_of(text, at.start)
    return text[: at.start] + _written(value, indent, _step(text), _newline(text)) + text[at.end :]


def remove(text: str, file: str, path: tuple[str, ...], *, comments: bool = True) -> str:
    """Return a text without the entry at a path; the same text where there is none. Raises `Unreadable`."""
    at = parse(text, file, comments=comments)
    for key in path[:-1]:
        member = at.members.get(key)
        if member is None:
            return text
        at = member.node
    if path[-1] not in at.members:
        return text
    names = list(at.members)
    position = names.index(path[-1])
    start, end = at.members[path[-1]].start, at.members[path[-1]].node.end
    if position + 1 < len(names) or at.trailing_comma:
        end = _after_comma(text, end)
    cut = _cut(text, start, end)
    if position + 1 < len(names) or at.trailing_comma:
        return text[:cut] + (text[end:].lstrip(" ") if cut == start else text[end:])
    if position > 0:
        # The comma before it would now stand before the bracket.
        comma = _after_comma(text, at.members[names[position - 1]].node.end) - 1
        return text[:comma] + text[comma + 1 : cut].rstrip(" ") + text[end:]
    if _blank(text, at.start + 1, start) and _blank(text, end, at.end - 1):
        return text[: at.start + 1] + text[at.end - 1 :]
    return text[:cut] + text[end:]


def _insert(text: str, node: Node, key: str, value: JSONValue) -> str:
    """Add an entry at the end of an object, in the object's own layout."""
    newline = _newline(text)
    written_key = json.dumps(key, ensure_ascii=False)
    if not node.members:
        indent = _indent_of(text, node.start)
        step = _step(text)
        inner = f"{newline}{indent}{step}{written_key}: {_written(value, indent + step, step, newline)}"
        # What comments an empty object holds stay before the entry.
        kept = text[node.start + 1 : node.end - 1].rstrip()
        return f"{text[: node.start + 1]}{kept}{inner}{newline}{indent}{text[node.end - 1 :]}"
    first, last = next(iter(node.members.values())), list(node.members.values())[-1].node
    # On one line there can be no comment that would swallow the entry.
    on_lines = "\n" in text[node.start : node.end]
    end = last.end
    comma, last_comma = ("", ",") if node.trailing_comma else (",", "")
    rest = text[end : node.end - 1]
    kept = rest.rstrip()
    after = rest[len(kept) :]
    if not on_lines:
        entry = f" {written_key}: {json.dumps(value, ensure_ascii=False)}{last_comma}"
        return text[:end] + comma + kept + entry + after + text[node.end - 1 :]
    indent = _indent_of(text, first.start)
    entry = f"{newline}{indent}{written_key}: {_written(value, indent, _step(text), newline)}{last_comma}"
    return text[:end] + comma + kept + entry + after + text[node.end - 1 :]


def _written(value: JSONValue, indent: str, step: str, newline: str) -> str:
    lines = json.dumps(value, ensure_ascii=False, indent=step).split("\n")
    return f"{newline}{indent}".join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indent_of(text: str, at: int) -> str:
    """Return the white space that the line of a place begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at].lstrip("\ufeff")
    return line[: len(line) - len(line.lstrip(" \t"))]


def _step(text: str) -> str:
    """Return how much deeper each level stands: as the file's first indented line says."""
    found = re.search(r"\n([ \t]+)\S", text)
    if found is None:
        return _INDENT
    return "\t" if "\t" in found[1] else found[1] if len(found[1]) <= 8 else _INDENT


def _after_comma(text: str, at: int) -> int:
    """Return the place after the comma that follows a value; comments may stand between."""
    while text[at] != ",":
        found = _COMMENT.match(text, at)
        at = found.end() if found else at + 1
    return at + 1


def _cut(text: str, start: int, end: int) -> int:
    """Return from where to cut out an entry: with the line break before it where it has its lines for itself."""
    line = text.rfind("\n", 0, start)
    if line < 0 or text[line:start].strip() or re.match(r"[ \t]*\r?\n", text[end:]) is None:
        return start
    return line - 1 if line and text[line - 1] == "\r" else line


def _blank(text: str, start: int, end: int) -> bool:
    return not text[start:end].strip()


def _refuse(text: str, file: str, node: Node, path: tuple[str, ...]) -> NoReturn:
    shown = ".".join(path) or "the file"
    line = text.count("\n", 0, node.start) + 1
    column = node.start - text.rfind("\n", 0, node.start)
    place = Location(file=file, line=line, column=column)
    source = text.split("\n")[line - 1].rstrip("\r")
    raise Unreadable(Problem(message=f"'{shown}' is no object", location=place, source_line=source))
