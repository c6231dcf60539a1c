"""One value against one JSON Schema, also as a process that ends when it takes too long.

`python -m ael.tools.schema_process SECONDS BYTES` reads a `Question` from its input and writes what it `Found`, both
JSON; `schemas` starts it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

_LONGEST = 300

#: Values of an enumeration that are named, and characters of what is none of them.
_MOST_OPTIONS, _SHOWN = 20, 80


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    schema: Mapping[str, Any]
    value: Any
    #: Violations that are listed.
    most: int


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a value."""

    #: The place in the value: `.items[2].name`; empty for the whole.
    path: str
    message: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a value."""

    violations: tuple[Violation, ...] = ()
    #: How many there are, also beyond those that are listed.
    count: int = 0
    #: Why the schema is none.
    unusable: str = ""


def make_validator(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 # jsonschema_rs has no types
    """Return a validator that fetches nothing and whose patterns take linear time.

    Raises `ValueError`, which says why a schema is none, and none of the words of whoever wrote it: agents read that.
    """
    import jsonschema_rs  # noqa: PLC0415 # 25 ms to import, needed by the first tool call

    try:
        return jsonschema_rs.validator_for(
            dict(schema), retriever=_no_references, pattern_options=jsonschema_rs.RegexOptions()
        )
    except jsonschema_rs.ReferencingError as error:
        raise ValueError("a reference leads nowhere or out of it") from error
    except jsonschema_rs.ValidationError as error:
        raise ValueError(_why_none(error)) from error


#: A key that is a word; others may be sentences.
_WORD = re.compile(r"[A-Za-z0-9_$.-]{1,40}")

_TYPES = "string, integer, number, boolean, array, object, null"


def _why_none(error: Any) -> str:  # noqa: ANN401 # jsonschema_rs has no types
    """Return where a schema breaks the rules of schemas, and which; what stands there is called "it"."""
    parts = [str(part) for part in error.instance_path]
    place = "/".join(part if _WORD.fullmatch(part) else "…" for part in parts)
    what = _of_it(error) or "it is not valid"
    what = what.removesuffix(" under any of the schemas listed in the 'anyOf' keyword")
    if parts and parts[-1] == "type":
        what = what.replace("is not valid", f"is none of {_TYPES}")
    return _excerpt(f"at {place}: {what}" if place else what, _LONGEST)


def judge(validator: Any, value: Any, most: int) -> Found:  # noqa: ANN401 # jsonschema_rs has no types, a value is any
    """Return what is wrong with a value."""
    if validator.is_valid(value):
        return Found()
    listed: list[Violation] = []
    count = 0
    for error in validator.iter_errors(value):
        count += 1
        if len(listed) < most:
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
            listed.append(Violation(path=path, message=message_of(error)))
    return Found(violations=tuple(listed), count=count)


def _of_it(error: Any) -> str:  # noqa: ANN401 # jsonschema_rs has no types
    """Return a message with "it" in place of the value; empty where it does not begin with that."""
    value = json.dumps(error.instance, ensure_ascii=False, separators=(",", ":"))
    return f"it{error.message[len(value) :]}" if error.message.startswith(f"{value} ") else ""


def message_of(error: Any) -> str:  # noqa: ANN401 # jsonschema_rs has no types
    """Return what is wrong with a value, with the values that it may have: the library names two of them."""
    if error.kind.name != "enum":
        message = str(error.message)
        # What is wrong stands at the end.
        return message if len(message) <= _LONGEST else _excerpt(_of_it(error) or message, _LONGEST)
    options = error.kind.options
    named = ", ".join(msgspec.json.encode(one).decode() for one in options[:_MOST_OPTIONS])
    rest = f" and {len(options) - _MOST_OPTIONS} more" if len(options) > _MOST_OPTIONS else ""
    given = _excerpt(msgspec.json.encode(error.instance).decode(), _SHOWN)
    return _excerpt(f"{given} is not one of {named}{rest}", _LONGEST)


def _excerpt(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _no_references(uri: str) -> Any:  # noqa: ANN401 # never returns
    raise ValueError(f"it refers to {uri}, and nothing is fetched")


def main() -> None:
    """Answer one question within so many seconds and bytes."""
    import resource  # noqa: PLC0415 # the module stands in systems without it too

    seconds, memory = int(sys.argv[1]), int(sys.argv[2])
    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(kind, (most, most))
    _end_with_the_reader(True)
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    try:
        found = judge(make_validator(question.schema), question.value, question.most)
    except ValueError as error:
        found = Found(unusable=str(error))
    _end_with_the_reader(False)
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _end_with_the_reader(wanted: bool) -> None:  # on or off
    """Have the kernel end us when nobody holds the other end of our output any more: who asked was killed.

    It sends SIGIO then, and also when some of the output was read: so not while we write.
    """
    flags = fcntl.fcntl(1, fcntl.F_GETFL)
    fcntl.fcntl(1, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(1, fcntl.F_SETFL, flags | os.O_ASYNC if wanted else flags & ~os.O_ASYNC)
    before = select.poll()
    before.register(1, 0)
    if before.poll(0):
        sys.exit(1)


if __name__ == "__main__":
    main()
