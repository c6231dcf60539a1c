"""Pages of a server's list of tools, also those that are no JSON: a bad tool is told apart, and costs no other.

Half a character (a lone surrogate), bytes that are no UTF-8, NaN or a number beyond all limits make a message
unreadable for a strict decoder. A list is read once more then, by one that takes everything, and its tools are judged
one by one.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from ael.errors import OutputInvalid
from ael.values import check

#: Where `_meta` of a tool says why it cannot be used; a server may say so itself.
UNAVAILABLE = "ael/unavailable"

#: What stands for half a character where the decoder is not ours: U+FDD0 is no character, and nobody sends it.
HALF = "\ufdd0"

HALF_A_CHARACTER = "it holds half a character (a lone surrogate)"

#: An escape sequence of JSON: a surrogate pair, half of one, or any other.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


class ToolPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of tools/list."""

    tools: list[Any] = []
    next_cursor: str | None = None


def read_again(message: bytes) -> ToolPage | None:
    """Return the page in a message, or in its result alone, that is no JSON; None where there is none."""
    try:
        found = json.loads(message.decode("utf-8", "surrogateescape"))
        page = msgspec.convert(found.get("result", found), ToolPage)
    except (ValueError, AttributeError, RecursionError):
        return None
    return msgspec.structs.replace(page, tools=judged(page.tools))


def judged(tools: list[Any]) -> list[Any]:
    """Return a list with a stand-in, which says why, for each tool that no record can hold."""
    return [_judged(tool) if isinstance(tool, dict) else tool for tool in tools]


def _judged(tool: dict[str, Any]) -> dict[str, Any]:
    try:
        check(tool)
    except OutputInvalid as error:
        why = error.detail
    else:
        if HALF.encode() not in msgspec.json.encode(tool):
            return tool
        why = HALF_A_CHARACTER
    return {"name": tool.get("name"), "_meta": {UNAVAILABLE: f"its definition is not valid: {why}"}}


def without_halves(text: bytes) -> bytes:
    """Return JSON, or whole lines of it, with `HALF` for each half of a character."""
    if rb"\ud" not in text and rb"\uD" not in text:
        return text
    mended = _ESCAPE.sub(lambda found: rb"\ufdd0" if found[1] else found[0], text)
    return text if mended == text else mended


def what_is_wrong(text: bytes, error: Exception) -> str:
    """Return why JSON could not be read; of half a character decoders say something else."""
    if without_halves(text) is not text:
        return HALF_A_CHARACTER
    return str(error)
