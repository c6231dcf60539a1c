"""Paths into the configuration: `mcp.servers.git.command`, `workflows.directories[0]`, `mcp.servers['a.b'].url`.

What may stand at a path is known from the types of the settings; nothing else names it.
"""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterator
from typing import Any, TypeAlias, Union, get_args, get_origin

import msgspec

from ael.app.config_excerpts import unreadable
from ael.app.config_file import ConfigFile
from ael.errors import ConfigInvalid, ConfigPathInvalid, nearest
from ael.values import JSONValue, shortened
from ael.workflow.yaml_reader import Reader, Unreadable, join, record_fields

#: A key of a mapping, or a position in a list.
Part: TypeAlias = str | int

_PART = re.compile(r"\.?([^.\[\]'\"]+)|\[(\d{1,6})\]|\[('(?:[^'\\]|\\[\\'nrtxuU])*'|\"(?:[^\"\\]|\\[\\\"nrtxuU])*\")\]")


def parse_path(path: str) -> tuple[Part, ...]:
    """Return the parts of a path, none for the whole file; raises `ConfigPathInvalid` when no key has it."""
    parts: list[Part] = []
    at = 0
    while at < len(path):
        match = _PART.match(path, at)
        if match is None or (at == 0 and path[0] == "."):
            hint = "Write keys with dots between them, positions as [0], other keys as ['a.b']."
            raise ConfigPathInvalid(f"it is not readable from column {at + 1}", suggestion=hint, path=path)
        plain, position, quoted = match.groups()
        parts.append(int(position) if position is not None else plain or _unquoted(quoted, path))
        at = match.end()
    _check(path, tuple(parts))
    return tuple(parts)


def _unquoted(text: str, path: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError) as error:
        why = f"{shortened(text, 100)} is not readable"
        raise ConfigPathInvalid(why, suggestion="Write a key as ['a.b'].", path=path) from error


def show_path(parts: tuple[Part, ...]) -> str:
    """Return a path as text."""
    shown = ""
    for part in parts:
        shown = f"{shown}[{part}]" if isinstance(part, int) else join(shown, part)
    return shown


def hint_at(parts: tuple[Part, ...]) -> tuple[Any, ...]:
    """Return the annotations that a value at a path may have; none where no key has the path."""
    hints: tuple[Any, ...] = (ConfigFile,)
    for part in parts:
        hints = tuple(one for hint in hints for one in _inside(hint, part))
    return tuple(one for hint in hints for one in _members(hint))


def value_at(document: JSONValue, parts: tuple[Part, ...]) -> JSONValue | msgspec.UnsetType:
    """Return what stands at a path of a document; `UNSET` where nothing does."""
    found = document
    for part in parts:
        if isinstance(found, dict) and part in found:
            found = found[str(part)]
        elif isinstance(found, list) and isinstance(part, int) and part < len(found):
            found = found[part]
        else:
            return msgspec.UNSET
    return found


def leaves_of(document: JSONValue, parts: tuple[Part, ...] = ()) -> Iterator[tuple[tuple[Part, ...], JSONValue]]:
    """Yield path and value of everything that is no mapping or list, and of those that are empty."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from leaves_of(value, (*parts, key))
    elif isinstance(document, list) and document:
        for index, value in enumerate(document):
            yield from leaves_of(value, (*parts, index))
    else:
        yield parts, document


def _check(path: str, parts: tuple[Part, ...]) -> None:
    for end in range(1, len(parts) + 1):
        if not hint_at(parts[:end]):
            raise ConfigPathInvalid(_why(parts, end), suggestion=_suggestion(path, parts, end), path=path)


def _why(parts: tuple[Part, ...], end: int) -> str:
    above = show_path(parts[: end - 1])
    where = f"'{above}'" if above else "the file"
    kinds = {get_origin(hint) or hint for hint in hint_at(parts[: end - 1])}
    if isinstance(parts[end - 1], int):
        return f"{where} is no list"
    if tuple in kinds and dict not in kinds:
        return f"{where} is a list: its items are {above}[0] and so on"
    if not any(kind is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)) for kind in kinds):
        return f"{where} is a single value"
    return f"there is no key '{shortened(str(parts[end - 1]), 100)}' in {where}"


def _suggestion(path: str, parts: tuple[Part, ...], end: int) -> str:
    """Name the nearest path: of the same depth with one key corrected, else of all."""
    wrong = str(parts[end - 1])
    here = [name for hint in hint_at(parts[: end - 1]) for name in _names(hint)]
    close = nearest(wrong, here)
    if close is not None:
        corrected = (*parts[: end - 1], close)
        whole = (*corrected, *parts[end:])
        return f"Did you mean '{show_path(whole if hint_at(whole) else corrected)}'?"
    far = nearest(path[:120], _known())
    if far is not None:
        return f"Did you mean '{far}'?"
    return f"Known keys: {', '.join(sorted(here))}." if here else "`ael config schema` shows every key."


def _known() -> list[str]:
    return list(_paths(ConfigFile, ""))


def _paths(hint: Any, above: str) -> Iterator[str]:  # noqa: ANN401 # annotations are of any type
    for member in _members(hint):
        for name in _names(member):
            path = join(above, name)
            yield path
            for inner in _inside(member, name):
                yield from _paths(inner, path)


def _names(hint: Any) -> list[str]:  # noqa: ANN401 # annotations are of any type
    return list(record_fields(hint)) if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else []


def _members(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 # annotations are of any type
    if get_origin(hint) in {Union, types.UnionType}:
        return tuple(one for member in get_args(hint) for one in _members(member))
    return (hint,)


def _inside(hint: Any, part: Part) -> Iterator[Any]:  # noqa: ANN401 # annotations are of any type
    """Yield what may stand below a value of this annotation at a key or position."""
    for member in _members(hint):
        origin = get_origin(member)
        if isinstance(part, int):
            if origin is tuple:
                yield get_args(member)[0]
        elif origin is dict:
            yield get_args(member)[1]
        elif isinstance(member, type) and issubclass(member, msgspec.Struct):
            found = record_fields(member).get(part)
            if found is not None:
                yield found[1]


def read_value(text: str, parts: tuple[Part, ...]) -> JSONValue:
    """Return a value written as YAML or JSON; where text may stand and nothing that fits was written, the text itself.

    Raises `ConfigInvalid` for what cannot be read.
    """
    hints = hint_at(parts)
    takes_text = str in hints
    try:
        reader = Reader(text, "the value")
        if reader.is_empty():
            return text if takes_text else None
        value = reader.json(reader.root(), "")
    except Unreadable as error:
        if takes_text:
            return text
        raise unreadable(error.problems, text) from error
    if isinstance(value, str) and not reader.problems:
        return value
    if takes_text and not any(_takes(hint, value) for hint in hints):
        return text
    if reader.problems:
        raise ConfigInvalid(reader.problems)
    return value


def _takes(hint: Any, value: JSONValue) -> bool:  # noqa: ANN401 # annotations are of any type
    """Say whether a value is of an annotation's kind; its content is judged with the whole file."""
    origin = get_origin(hint) or hint
    if isinstance(value, dict):
        return origin is dict or (isinstance(origin, type) and issubclass(origin, msgspec.Struct))
    if isinstance(value, list):
        return origin is tuple
    if isinstance(value, bool):
        return origin is bool
    if value is None:
        return origin is type(None)
    return origin is float or (origin is int and isinstance(value, int))
