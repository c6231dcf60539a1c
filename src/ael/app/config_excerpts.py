"""The text of a configuration file without the secrets that are written out in it: for excerpts in errors, and diffs.

What they look like is known by `observe.secret_forms`. A file that cannot be read has no paths to judge by; of its
lines everything goes that looks like a secret by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from ael.errors import ConfigInvalid, Problem
from ael.observe.masking import MASK
from ael.observe.secret_forms import Region, find_regions, is_random, masked, names_secret, secret_texts
from ael.workflow.yaml_reader import Node, Reader

#: A line that begins with a key; one that is an argument; a name that something may belong to; long words.
_KEY = r"""\s*(?:-\s+)?["']?[\w.-]{1,80}["']?\s*:(?:\s|$)"""
_OPTION = r"""\s*(?:-\s+)?["']?(-{1,2}[A-Za-z][\w.-]*)["']?,?\s*"""
_NAME = r"""(?<![\w.-])-{0,2}([\w.-]{1,80})(?=["']?(?:[\s:=,]|$))"""
_LONG_WORD = r"[A-Za-z0-9+/=_.~-]{24,}"
#: What is shown of a line all the same.
_STRUCTURE = frozenset(" \t{}[],:")
#: A longer line of a broken file is not looked at, nor shown.
_LONGEST_LINE = 20_000

#: A secret in a file's text → what is shown for it.
_Shown = Callable[[str], str]


def read_root(reader: Reader) -> Node:
    """Return the document's node; what is wrong with it is told without its secrets. Raises `Unreadable`."""
    root = reader.root()
    reader.lines = _lines(reader, root, lambda secret: "*" * len(secret))
    return root


def unreadable(problems: Sequence[Problem], text: str | bytes) -> ConfigInvalid:
    """Return the error for a file that cannot be read."""
    lines = (text if isinstance(text, str) else text.decode("utf-8-sig", "replace")).splitlines()
    return ConfigInvalid([_guessed(problem, lines) for problem in problems])


def masked_lines(text: bytes, file: str) -> list[str]:
    """Return the lines of a file that can be read, with `***` where its secrets are."""
    reader = Reader(text, file)
    return reader.lines if reader.is_empty() else _lines(reader, reader.root(), lambda _: MASK)


def _guessed(problem: Problem, lines: Sequence[str]) -> Problem:
    if problem.location is None or not problem.source_line:
        return problem
    number = problem.location.line - 1
    shown = masked_line(lines, number) if number < len(lines) else ""
    return msgspec.structs.replace(problem, source_line=shown)


def masked_line(lines: Sequence[str], number: int) -> str:
    """Return a line (from 0) of a file that could not be read, without what may be a secret; columns keep their places.

    Nobody knows what is whose value there. So all that follows a telling name on its line goes, and where one stands
    above, everything on lines without a key of their own.
    """
    line = lines[number]
    if len(line) > _LONGEST_LINE:
        return ""
    above = next((one for one in reversed(lines[:number]) if one.strip()), "")
    option = re.fullmatch(_OPTION, above)
    follows = option is not None and names_secret(option[1])
    if follows or (re.match(_KEY, line) is None and any(_telling(one) is not None for one in lines[:number])):
        spans = [(0, len(line))]
    else:
        told = _telling(line)
        spans = [(region.start, region.end) for region in find_regions((), line)]
        spans += [found.span() for found in re.finditer(_LONG_WORD, line) if is_random(found[0])]
        spans += [] if told is None else [(told, len(line))]
    shown = list(line)
    for start, end in spans:
        shown[start:end] = [one if one in _STRUCTURE else "*" for one in shown[start:end]]
    return "".join(shown)


def _telling(line: str) -> int | None:
    """Return where the first name of a secret on a line ends."""
    names = re.finditer(_NAME, line[:_LONGEST_LINE])
    return next((found.end() for found in names if names_secret(found[1])), None)


def _lines(reader: Reader, root: Node, shown: _Shown) -> list[str]:
    """Return the lines of a file without its secrets; as many as there were."""
    lines, texts = list(reader.lines), set[str]()
    # From the end on, so that what is replaced moves nothing that is still to be.
    for node, regions in sorted(_with_secrets(root), key=_place, reverse=True):
        _hide(lines, node, regions, shown)
        texts.update(secret_texts(regions))
    # A comment may say it once more, and another key.
    for text in sorted(texts, key=len, reverse=True):
        lines = [line.replace(text, shown(text)) for line in lines]
    return lines


def _place(found: tuple[Node, list[Region]]) -> tuple[int, int]:
    mark = found[0].start_mark
    return mark.line, mark.column


def _with_secrets(root: Node) -> Iterator[tuple[Node, list[Region]]]:
    """Yield each scalar that has secrets written out in it, an anchor's once."""
    seen: set[int] = set()
    stack: list[tuple[Node, tuple[str | int, ...], str]] = [(root, (), "")]
    while stack:
        node, path, before = stack.pop()
        if node.id == "mapping":
            stack += [(value, (*path, key.value), "") for key, value in node.value]
        elif node.id == "sequence":
            words = ["", *(item.value if item.id == "scalar" else "" for item in node.value)]
            stack += [(item, (*path, index), words[index]) for index, item in enumerate(node.value)]
        elif id(node) not in seen:
            regions = [one for one in find_regions(path, node.value, before) if one.is_written]
            if regions:
                seen.add(id(node))
                yield node, regions


def _hide(lines: list[str], node: Node, regions: Sequence[Region], shown: _Shown) -> None:
    """Put marks in the place of a scalar's secrets; where it is not written as it is read, in that of all of it."""
    first, last = node.start_mark.line, node.end_mark.line
    if node.style in {"|", ">"}:
        # The mark is where the block is opened, its end is the line below it.
        for number in range(first + 1, min(last + (node.end_mark.column > 0), len(lines))):
            if not lines[number].strip():
                continue
            indent = len(lines[number]) - len(lines[number].lstrip())
            lines[number] = lines[number][:indent] + shown(lines[number][indent:])
        return
    start, end = node.start_mark.column, node.end_mark.column
    if first != last:
        lines[first] = lines[first][:start] + shown(lines[first][start:])
        lines[first + 1 : last] = [shown(line) for line in lines[first + 1 : last]]
        lines[last] = shown(lines[last][:end]) + lines[last][end:]
        return
    line = lines[first]
    inner = 1 if node.style else 0
    start, end = start + inner, end - inner
    written = line[start:end]
    if written != node.value:
        regions = [Region(start=0, end=len(written), value=written)]
    lines[first] = line[:start] + masked(written, regions, shown) + line[end:]
