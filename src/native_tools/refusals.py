"""Answers to lines that are no messages: who waits for one is told, under the request's own id where it has one."""

from __future__ import annotations

import json
import re
from typing import Any

#: Codes of JSON-RPC 2.0.
PARSE_ERROR, INVALID_REQUEST = -32700, -32600

#: Characters of an id that is given back.
_LONGEST_ID = 200

#: Whatever library wrote it, a message has its id near its beginning or its end, beside the version.
_ID = rb'\s*"id"\s*:\s*(0|[1-9][0-9]{0,17}|"[A-Za-z0-9_.:-]{1,200}")\s*'
_VERSION = rb'\s*"jsonrpc"\s*:\s*"2\.0"\s*'
_AT_HEAD = re.compile(rb"\s*\{(?:" + _VERSION + rb",)?" + _ID + rb",")
_AT_TAIL = re.compile(rb"," + _ID + rb"(?:," + _VERSION + rb")?\}\s*$")

_NOT_JSON = "The line is not JSON. Send one message of JSON-RPC 2.0 a line."
_NO_REQUEST = "The message is no request of JSON-RPC 2.0: it has `jsonrpc`, `id`, `method` and perhaps `params`."
_NO_ID = "The `id` of a request is a text or a whole number; a notification has none."
_HALF_A_CHARACTER = "A text in the message holds half of a surrogate pair, which is no character."


def answer_to(line: bytes) -> bytes | None:
    """Return the answer to a line that could not be read; None where nobody waits for one.

    Who sends a notification waits for none, and one who answered us must not be answered in turn.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return refusal(PARSE_ERROR, _NOT_JSON)
    if isinstance(message, dict) and ("method" not in message or "id" not in message):
        return None
    number = message.get("id") if isinstance(message, dict) else None
    usable = isinstance(number, str | int) and not isinstance(number, bool) and len(str(number)) <= _LONGEST_ID
    return refusal(INVALID_REQUEST, _NO_REQUEST if _is_text(message) else _HALF_A_CHARACTER, number if usable else None)


def answer_to_notification(text: str) -> bytes | None:
    """Return the answer to what the SDK takes for a notification; None where it is one.

    A request whose id is none that may be, such as a list, is taken for one too, and whoever sent it waits.
    """
    return refusal(INVALID_REQUEST, _NO_ID) if "id" in json.loads(text) else None


def id_of(head: bytes, tail: bytes) -> str | int | None:
    """Return the id of a request of which only the two ends are known, where it stands at one of them."""
    found = _AT_HEAD.match(head) or _AT_TAIL.search(tail)
    if found is None:
        return None
    number: str | int = json.loads(found[1])
    return number


def refusal(code: int, why: str, number: str | int | None = None) -> bytes:
    """Return an error of JSON-RPC as a line."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": why}}).encode() + b"\n"


def _is_text(message: Any) -> bool:  # noqa: ANN401 # any JSON
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except (UnicodeError, RecursionError):
        return False
    return True
