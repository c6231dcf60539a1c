"""What is wrong with a message, in the protocol's own words: no class names of ours or the SDK's, no huge values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from mcp.shared.dispatcher import coerce_request_id
from mcp_types import INVALID_REQUEST, PARSE_ERROR, RequestId
from pydantic import ValidationError

from ael.values import JSONValue, encode

#: Characters of a method's name, of one key in a path, and mistakes that are told of.
LONGEST_METHOD, _LONGEST_KEY, _MOST_TOLD = 200, 60, 5

_REPAIR = 'Send one object such as {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}.'


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message, as far as the JSON-RPC of MCP says what it looks like."""

    jsonrpc: Any = None
    id: Any = msgspec.UNSET
    method: Any = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def request_id(self) -> RequestId | None:
        """The id of a request, as the SDK keeps it: "7" and 7 are one; None where there is none to be used."""
        usable = isinstance(self.id, str | int) and not isinstance(self.id, bool)
        return coerce_request_id(self.id) if usable and isinstance(self.method, str) else None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is no message."""

    code: int
    why: str
    #: Of the request that it may have been meant as.
    id: RequestId | None = None
    #: It may be an answer: two who answer each other's answers never end.
    may_be_answer: bool = False

    def answer(self) -> bytes:
        """Return the answer to it, as JSON."""
        return refusal(self.code, self.why, self.id)


class _Error(msgspec.Struct):
    code: int
    message: str


_decoder, _error_decoder = msgspec.json.Decoder(Message), msgspec.json.Decoder(_Error)


def refusal(code: int, message: str, number: RequestId | None = None) -> bytes:
    """Return an error of JSON-RPC."""
    return encode({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}})


def read_message(data: bytes) -> Message | Fault:
    """Return a message, looked at no further than is needed to say that it is one."""
    try:
        message = _decoder.decode(data)
    except msgspec.ValidationError:
        return _not_one(data)
    except RecursionError:
        return _not_strict(data, "it is nested too deeply")
    except (msgspec.DecodeError, ValueError) as error:
        return _not_strict(data, "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)[:200])
    why = _fault(message)
    return _meant(message.id, why, may_be_answer=message.method is msgspec.UNSET) if why else message


def fault_of(data: bytes) -> Fault:
    """Return what is wrong with what the SDK does not take for a message."""
    read = read_message(data)
    if isinstance(read, Fault):
        return read
    why = "it is nested too deeply, or holds what strict JSON cannot"
    return _meant(read.id, why, may_be_answer=read.method is msgspec.UNSET)


def _not_strict(data: bytes, why: str) -> Fault:
    """Return the fault of what is no JSON, under its id where a more lenient reader makes that out."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return Fault(code=PARSE_ERROR, why=f"Parse error: {why}. {_REPAIR}")
    if not isinstance(found, dict):
        return _not_one(data)
    return _meant(found.get("id"), f"it holds what strict JSON cannot: {why}", may_be_answer="method" not in found)


def _meant(number: JSONValue, why: str, *, may_be_answer: bool) -> Fault:
    usable = number if isinstance(number, str | int) and not isinstance(number, bool) else None
    if isinstance(usable, str) and any("\ud800" <= one <= "\udfff" for one in usable):
        # Half a surrogate pair, which no answer can hold.
        usable = None
    return Fault(code=INVALID_REQUEST, why=f"Invalid request: {why}. {_REPAIR}", id=usable, may_be_answer=may_be_answer)


def _not_one(data: bytes) -> Fault:
    opening = data.lstrip()[:1]
    why = {
        b"[": "a batch of messages is not part of MCP, send each by itself",
        b"{": "it holds a number that is too large",
    }.get(opening, "a message is an object")
    return Fault(code=INVALID_REQUEST, why=f"Invalid request: {why}. {_REPAIR}")


def _fault(message: Message) -> str:
    """Return what is wrong with the parts of a message; empty where nothing is."""
    if message.jsonrpc != "2.0":
        return "'jsonrpc' must be \"2.0\""
    has_id = isinstance(message.id, str | int) and not isinstance(message.id, bool)
    if message.method is msgspec.UNSET:
        return _fault_of_answer(message, has_id=has_id)
    if not isinstance(message.method, str):
        return "'method' must be a string"
    if len(message.method) > LONGEST_METHOD:
        return f"'method' is longer than {LONGEST_METHOD} characters"
    if message.id is not msgspec.UNSET and not has_id:
        return "'id' must be a string or a whole number"
    if isinstance(message.params, msgspec.Raw) and not _is_object(message.params, b"{n"):
        return "'params' must be an object"
    return ""


def _fault_of_answer(message: Message, *, has_id: bool) -> str:
    if isinstance(message.result, msgspec.Raw):
        if not has_id:
            return "'id' must be that of the request"
        return "" if _is_object(message.result) else "'result' must be an object"
    if not isinstance(message.error, msgspec.Raw):
        return "'method' is missing"
    try:
        _error_decoder.decode(message.error)
    except msgspec.DecodeError:
        return "'error' must be an object with a whole number as 'code' and a string as 'message'"
    return "" if has_id or message.id is None else "'id' must be that of the request"


def _is_object(value: msgspec.Raw, beginnings: bytes = b"{") -> bool:
    return memoryview(value)[0] in beginnings


# -- parameters -------------------------------------------------------------------------------------------------------

_MUST_BE = {
    "string": "must be a string",
    "dict": "must be an object",
    "model": "must be an object",
    "mapping": "must be an object",
    "list": "must be an array",
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "none": "must be null",
    "url": "must be a URI",
    "finite": "must be a finite number",
}


def explain_params(error: ValidationError, params: Mapping[str, Any] | None) -> list[str]:
    """Return what does not fit in the parameters of a request: where, and what belongs there."""
    found: dict[str, None] = {}
    for one in error.errors(include_url=False, include_context=True, include_input=False):
        where = _path(one["loc"], {"params": params or {}}, is_missing=one["type"] == "missing")
        found[f"{where} {_belongs(one['type'], one.get('ctx', {}))}"] = None
    told = list(found)
    more = len(told) - _MOST_TOLD
    return told if more <= 0 else [*told[:_MOST_TOLD], f"{more} more"]


def _path(location: tuple[int | str, ...], value: Any, *, is_missing: bool) -> str:  # noqa: ANN401 # JSON
    """Return a place as keys with dots; what is no key of the value is a name of the SDK's, and is left out."""
    path: list[str] = []
    for at, key in enumerate(location):
        is_member = isinstance(value, Mapping) and key in value
        if is_member or (isinstance(value, list) and isinstance(key, int) and key < len(value)):
            value = value[key]
        elif not (is_missing and at == len(location) - 1):
            continue
        text = str(key)
        path.append(text if len(text) <= _LONGEST_KEY else f"{text[:_LONGEST_KEY]}…")
    return ".".join(path) or "params"


def _belongs(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "missing":
        return "is missing"
    if kind in {"literal_error", "enum"}:
        return f"must be {context['expected']}"
    if kind == "extra_forbidden":
        return "is not known"
    return _MUST_BE.get(kind.partition("_")[0], "is not valid")
