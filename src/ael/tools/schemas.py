"""Values against the JSON Schemas of servers, which may describe a check that never ends.

References to references, twice at each step, make a short schema an endless one, and a large one on a large value takes
hours; jsonschema-rs holds the interpreter meanwhile. So the work is estimated first, and what may take long is done by
`schema_process`, which is killed when it does.
"""

from __future__ import annotations

import asyncio
import math
import re
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from ael.errors import ToolFailed
from ael.tools.schema_process import Found, Question, judge, make_validator
from ael.values import JSONValue, bulk

#: Seconds and bytes that a check in a process of its own may take.
SECONDS, MEMORY = 10, 1024 * 1024 * 1024

#: Parts of a schema times parts of a value, up to which a check takes well below a second: enough for ten megabytes of
#: rows, which take 10 ms by an ordinary schema.
_MOST_WORK = 16_000_000

#: Parts of a schema beyond which it is not even made ready in this process.
_MOST_PARTS = 50_000

#: Size of all patterns of a schema beyond which they are not compiled in this process: some 60 ms and 20 MB.
_MOST_PATTERNS = 10_000

#: Weight of a schema that takes as long to make ready as one does that has all of these; `weight_of` counts it.
LIGHT = _MOST_PARTS

#: Size of a pattern that is matched in the time of one more part.
_PATTERN_PART = 2

#: What of a pattern means classes of Unicode, each of which is as large as so many letters.
_CLASSES, _CLASS = re.compile(r"\\[wWdDsSpPbB]|\.|\[\^|\(\?[a-zA-Z-]*i"), 20

#: How often something is repeated at most; with `x` the numbers may stand anywhere.
_REPEATED, _SPACED = re.compile(r"\{(\d+)(?:,(\d*))?\}"), re.compile(r"\(\?[a-zA-Z]*x")

#: Parts of a schema by which no value that is not large takes long.
_EASY = 500

#: Characters of a text that count as one part.
_TEXT = 64

#: Deepest nesting of a schema whose work is estimated.
_DEEPEST = 100

#: Keywords whose work no count of parts bounds.
_UNBOUNDED = frozenset({"$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems"})

#: Checks in processes of their own at once.
_AT_ONCE = 2

_KEPT = 1024


class Schemas:
    """Judges values by schemas; what was made ready for one is kept while the schema is in use."""

    def __init__(self, seconds: int = SECONDS) -> None:
        """Give up a check after so many seconds."""
        self._seconds = seconds
        self._known: dict[int, tuple[Mapping[str, JSONValue], int | None, Any]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def violations(
        self, schema: Mapping[str, JSONValue], value: JSONValue, most: int, extent: bulk.Extent | None = None
    ) -> Found:
        """Return what a schema forbids, `most` of it, and how much it is in all; `extent` is the value's, if known.

        Raises `ToolFailed` for a schema that is none, or whose check takes too long.
        """
        parts, validator = self._ready(schema)
        is_large = extent is not None or bulk.is_large(value)
        if parts is None:
            takes_long = True
        elif extent is not None and extent.values + extent.characters // _TEXT <= _MOST_WORK // parts:
            takes_long = False
        elif is_large:
            takes_long = await bulk.in_thread(may_take_long, parts, value)
        else:
            takes_long = parts > _EASY and may_take_long(parts, value)
        if takes_long:
            async with self._places:
                return await _elsewhere(Question(schema=schema, value=value, most=most), self._seconds)
        if is_large:
            return await bulk.in_thread(judge, validator, value, most)
        return judge(validator, value, most)

    def _ready(self, schema: Mapping[str, JSONValue]) -> tuple[int | None, Any]:
        known = self._known.get(id(schema))
        if known is not None and known[0] is schema:
            return known[1:]
        parts = parts_of(schema)
        validator = None
        if parts is not None:
            try:
                validator = make_validator(schema)
            except ValueError as error:
                raise _unusable(str(error)) from error
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[id(schema)] = (schema, parts, validator)
        return parts, validator


def may_take_long(parts: int, value: JSONValue) -> bool:
    """Tell whether a check by a schema of so many parts may take long."""
    most = _MOST_WORK // parts
    waiting: list[JSONValue] = [value]
    size = 0
    while waiting:
        one = waiting.pop()
        size += 1
        if isinstance(one, str):
            size += len(one) // _TEXT
        elif isinstance(one, dict | list):
            if len(one) > most:
                return True
            waiting += one.values() if isinstance(one, dict) else one
        if size > most:
            return True
    return False


def weight_of(schema: Mapping[str, JSONValue]) -> int:
    """Return what it takes to make a schema ready, counted no further than `LIGHT`, which takes some 60 ms."""
    waiting: list[JSONValue] = [dict(schema)]
    weight = 0
    while waiting and weight <= LIGHT:
        one = waiting.pop()
        weight += 1
        if isinstance(one, dict):
            weight += sum(map(pattern_size, _patterns(one))) * (LIGHT // _MOST_PATTERNS)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return weight


def pattern_size(pattern: str) -> int:
    """Return about how large a pattern is when it is compiled, in letters: each repetition is one more copy."""
    if _SPACED.search(pattern):
        return _MOST_PATTERNS + 1
    times = [int((most or least)[:9]) for least, most in _REPEATED.findall(pattern)]
    # A group that is repeated may hold what is repeated.
    size = len(pattern) * math.prod(map(_at_least_one, times)) if "){" in pattern else len(pattern) + sum(times)
    return size * (_CLASS if _CLASSES.search(pattern) else 1)


def _at_least_one(times: int) -> int:
    return max(1, times)


def _patterns(schema: Mapping[str, JSONValue]) -> list[str]:
    pattern, named = schema.get("pattern"), schema.get("patternProperties")
    return [*([pattern] if isinstance(pattern, str) else []), *(named if isinstance(named, dict) else ())]


def parts_of(schema: Mapping[str, JSONValue]) -> int | None:
    """Return how many parts a schema has when every reference is replaced by what it means.

    None where nothing bounds them: they are too many, or a part holds itself.
    """
    try:
        return _Count(schema).of(schema, 0)
    except _WithoutBounds:
        return None


class _WithoutBounds(Exception):
    """There is no number, or it is too large."""


class _Count:
    """The parts of one schema, each counted once."""

    def __init__(self, root: Mapping[str, JSONValue]) -> None:
        self._root = root
        #: None while it is being counted.
        self._counted: dict[int, int | None] = {}
        self._patterns = 0

    def of(self, node: Any, depth: int) -> int:  # noqa: ANN401 # JSON of any shape
        """Return the parts of a node; raises `_WithoutBounds`."""
        if not isinstance(node, dict | list):
            return 1
        if id(node) in self._counted:
            known = self._counted[id(node)]
            if known is None:
                raise _WithoutBounds
            return known
        if depth > _DEEPEST or len(self._counted) > _MOST_PARTS:
            raise _WithoutBounds
        self._counted[id(node)] = None
        total = 1 + sum(self.of(part, depth + 1) for part in (node.values() if isinstance(node, dict) else node))
        if isinstance(node, dict):
            if not _UNBOUNDED.isdisjoint(node):
                raise _WithoutBounds
            # A property may be named like the keyword: what it holds is no text then.
            reference = node.get("$ref")
            if isinstance(reference, str):
                total += self.of(self._target(reference), depth + 1)
            size = sum(map(pattern_size, _patterns(node)))
            self._patterns += size
            total += size // _PATTERN_PART
            if self._patterns > _MOST_PATTERNS:
                raise _WithoutBounds
        if total > _MOST_PARTS:
            raise _WithoutBounds
        self._counted[id(node)] = total
        return total

    def _target(self, reference: str) -> Any:  # noqa: ANN401 # JSON of any shape
        """Return what a JSON pointer (RFC 6901) means; anchors and identifiers are not followed here."""
        if reference.partition("/")[0] != "#" or "%" in reference or "$id" in self._root:
            raise _WithoutBounds
        node: Any = self._root
        for part in reference.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                # Whoever makes the schema ready says that it leads nowhere.
                return None
        return node


async def _elsewhere(question: Question, seconds: int) -> Found:
    """Ask a process of its own; raises `ToolFailed`."""
    asked = await bulk.in_thread(msgspec.json.encode, question)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "ael.tools.schema_process",
        str(seconds),
        str(MEMORY),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await process.communicate(asked)
    except TimeoutError as error:
        raise _too_long(seconds) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        found = msgspec.json.decode(answer, type=Found)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _too_long(seconds) from error
    if found.unusable:
        raise _unusable(found.unusable)
    return found


def _too_long(seconds: int) -> ToolFailed:
    return ToolFailed(
        f"the tool's schema cannot be checked: that takes more than {seconds} seconds, or too much memory",
        suggestion="Its server describes a check without end: exclude the tool, or have its schema made simpler.",
        retryable=False,
    )


def _unusable(why: str) -> ToolFailed:
    return ToolFailed(f"the tool's schema is not usable: {why}", retryable=False)
