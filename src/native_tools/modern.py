"""The requests that clients of the modern era send all the time, answered without the SDK: that takes a second to load.

Such a request carries all that its answer depends on. Whatever is unusual about one is left to the SDK, whose answers
these are otherwise, key by key.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from native_tools import __version__

VERSION: Final = "2026-07-28"

NAME: Final = "native_tools"
TITLE: Final = "AEL native tools"

#: What the connection's end leaves unanswered is answered so, as by the SDK.
CONNECTION_CLOSED: Final = -32000

_PREFIX = "io.modelcontextprotocol/"
_VERSION, _CLIENT, _CAPABILITIES, _SERVER = (
    f"{_PREFIX}{name}" for name in ("protocolVersion", "clientInfo", "clientCapabilities", "serverInfo")
)

#: What every request says of itself.
ENVELOPE: Final = {_VERSION: VERSION, _CAPABILITIES: {}}

_Id = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | Annotated[str, msgspec.Meta(max_length=200)]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method"):
    jsonrpc: Literal["2.0"]


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    meta: dict[str, Any] = msgspec.field(name="_meta")


class _Tool(_Nothing, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, Any] = {}


class _Cancelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    request_id: _Id = msgspec.field(name="requestId")
    reason: str = ""


class Discover(_Message, frozen=True, forbid_unknown_fields=True, tag="server/discover"):
    """What is there, and which versions of the protocol."""

    id: _Id
    params: _Nothing


class List(_Message, frozen=True, forbid_unknown_fields=True, tag="tools/list"):
    """The first page of tools, which holds all of them."""

    id: _Id
    params: _Nothing


class Call(_Message, frozen=True, forbid_unknown_fields=True, tag="tools/call"):
    """A call of a tool."""

    id: _Id
    params: _Tool


class Cancel(_Message, frozen=True, forbid_unknown_fields=True, tag="notifications/cancelled"):
    """Nobody waits for the answer to a request any more."""

    params: _Cancelled


Usual = Discover | List | Call | Cancel

_decoder = msgspec.json.Decoder(Usual)


def read(line: bytes) -> Usual | None:
    """Return what a line asks; None where that is for the SDK to say."""
    try:
        message = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return message if isinstance(message, Cancel) or _is_usual(message.params.meta) else None


def _is_usual(meta: dict[str, Any]) -> bool:
    reserved = {key: value for key, value in meta.items() if key.startswith(_PREFIX)}
    client = reserved.pop(_CLIENT, {"name": "", "version": ""})
    if reserved != ENVELOPE or not isinstance(client, dict) or client.keys() != {"name", "version"}:
        return False
    token = meta.get("progressToken", 0)
    return all(isinstance(one, str) for one in client.values()) and (isinstance(token, str) or type(token) is int)


def discovered() -> dict[str, Any]:
    """Return the result of `server/discover`."""
    capabilities = {"tools": {"listChanged": False}}
    return _complete({"supportedVersions": [VERSION], "capabilities": capabilities, **_FRESHNESS})


def listed(tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of `tools/list`."""
    return _complete({"tools": tools, **_FRESHNESS})


def called(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the result of `tools/call`."""
    return _complete({"isError": False, **answer})


def _complete(result: dict[str, Any]) -> dict[str, Any]:
    about = {"name": NAME, "title": TITLE, "version": __version__}
    return {**result, "resultType": "complete", "_meta": {**result.get("_meta", {}), _SERVER: about}}


#: It may change with the next start, and is for this client.
_FRESHNESS = {"ttlMs": 0, "cacheScope": "private"}
