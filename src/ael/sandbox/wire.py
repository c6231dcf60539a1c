"""The messages between host and child; each of a child's is hostile until decoded here.

Frames are a little-endian u32 length and a body. Lengths are checked before anything is allocated, bodies are strict
JSON decoded into typed records; nothing is unpickled, unmarshalled or used as an attribute name.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from ael.errors import OutputInvalid
from ael.plan import CodeFacts
from ael.sandbox.contract import CodeRequest, CodeSource
from ael.values import JSONValue, bulk, check

_LENGTH = struct.Struct("<I")
#: What a request begins with; an answer to a tool call begins with a brace.
_REQUEST = b"R"
_CHUNK = 256 * 1024

#: Bodies above this many bytes are decoded in a thread, so that the event loop is never held up.
OFF_LOOP = 256 * 1024

#: Largest request to a child, bytes.
MAX_REQUEST = 256 * 1024 * 1024

#: What a child may send beyond its result: printed text, escaped, and the frame around it.
OVERHEAD = 8 * 1024 * 1024

#: Characters of printed text with the note that it was cut, of an error's text, of an error's type or a tool's name.
_MAX_PRINTED, _MAX_TEXT, _MAX_NAME = (1 << 20) + 100, 8000, 1000

#: Values and keys of one message, and lists and objects among them; decoding more would hold up the event loop.
_MAX_VALUES, _MAX_CONTAINERS = 500_100, 100_100


#: Readings of the clock: no more than are recorded, and within the years that a time has.
Readings: TypeAlias = Annotated[
    tuple[Annotated[float, msgspec.Meta(ge=-1e11, le=1e12)], ...], msgspec.Meta(max_length=1000)
]


class WireError(Exception):
    """A child sent what no honest child sends."""


class ChildGone(Exception):
    """The child closed its end."""


class ToolRequest(msgspec.Struct, frozen=True, kw_only=True, tag="call", tag_field="t", forbid_unknown_fields=True):
    """Code wants a tool called."""

    id: int
    name: str
    params: dict[str, Any]


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done", tag_field="t", forbid_unknown_fields=True):
    """Code returned."""

    printed: str
    result: msgspec.Raw
    readings: Readings = ()
    clock_lost: bool = False


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="error", tag_field="t", forbid_unknown_fields=True):
    """Code raised."""

    kind: Literal["runtime", "tool", "security", "denied", "output", "memory", "size"]
    type: str
    message: str
    printed: str
    line: int | None = None
    call: int | None = None
    readings: Readings = ()
    clock_lost: bool = False


#: Possessive, and a string that never ends takes the rest: linear, whatever a child sends.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_message = msgspec.json.Decoder(ToolRequest | Done | Failed)
_facts = msgspec.json.Decoder(CodeFacts)
_encode = msgspec.json.Encoder().encode


def run_frame(request: CodeRequest) -> bytes:
    """Return the frame that asks a child to run a block."""
    limits = request.limits
    body = {
        "t": "run",
        "bindings": request.bindings,
        "inputs": request.inputs,
        "steps": request.steps,
        "item": request.item,
        "absent": request.absent,
        "execution_id": request.execution_id,
        "seed": request.seed,
        "clock": request.clock,
        "readings": request.readings,
        "max_output": limits.max_output,
        "config": {
            "timeout": limits.timeout_seconds,
            "max_memory": limits.max_memory,
            "max_tool_calls": limits.max_tool_calls,
            "max_output": limits.max_output,
        },
    }
    return _frame(request.blob, _encode(body))


def check_frame(sources: list[CodeSource]) -> bytes:
    """Return the frame that asks a child to guard and compile blocks."""
    blocks = [{"source": one.source, "placeholders": list(one.placeholders)} for one in sources]
    return _frame(b"", _encode({"t": "check", "blocks": blocks}))


def answer_frame(body: dict[str, Any]) -> bytes:
    """Return the frame that answers a tool request."""
    encoded = _encode(body)
    return _LENGTH.pack(len(encoded)) + encoded


def _frame(blob: bytes, body: bytes) -> bytes:
    size = len(_REQUEST) + _LENGTH.size + len(blob) + len(body)
    if size > MAX_REQUEST:
        raise WireError(f"the step's inputs take {size} bytes, the limit is {MAX_REQUEST}")
    return b"".join((_LENGTH.pack(size), _REQUEST, _LENGTH.pack(len(blob)), blob, body))


async def decode_message(body: bytes, max_output: int) -> tuple[ToolRequest | Done | Failed, JSONValue]:
    """Decode what a running child says, and its result if it gave one; raises `WireError`."""
    if len(body) > OFF_LOOP:
        return await bulk.in_thread(_decode_message, body, max_output)
    return _decode_message(body, max_output)


def _decode_message(body: bytes, max_output: int) -> tuple[ToolRequest | Done | Failed, JSONValue]:
    _check_width(body)
    result: JSONValue = None
    try:
        message: ToolRequest | Done | Failed = _message.decode(body)
        match message:
            case Done():
                if len(message.result) > max_output:
                    raise WireError(f"a result of {len(message.result)} bytes, the limit is {max_output}")
                result = bulk.decode(message.result)
                if len(message.result) > bulk.SLICE:
                    bulk.check_decoded(result, "result")
                else:
                    check(result, "result")
            case ToolRequest():
                check(message.params, path="params")
            case Failed():
                if len(message.message) > _MAX_TEXT or len(message.type) > _MAX_NAME:
                    raise WireError("the text of an error is too long")
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise WireError(f"not a message: {error}") from error
    except OutputInvalid as error:
        raise WireError(error.detail) from error
    if isinstance(message, ToolRequest):
        if len(message.name) > _MAX_NAME:
            raise WireError("the name of a tool is too long")
    elif len(message.printed) > _MAX_PRINTED:
        raise WireError("more printed text than is kept")
    return message, result


def _check_width(body: bytes) -> None:
    """Refuse a message of too many values before it is decoded: that keeps other threads waiting."""
    if not _too_wide(*_width(body)):
        return
    # They may stand inside strings: count again without those.
    opened = others = place = 0
    for string in _STRING.finditer(body):
        more = _width(body[place : string.start()])
        opened, others, place = opened + more[0], others + more[1], string.end()
        if _too_wide(opened, others):
            break
    more = _width(body[place:])
    if _too_wide(opened + more[0], others + more[1]):
        raise WireError("a message of too many values")


def _width(text: bytes) -> tuple[int, int]:
    """Return how many lists and objects open, and how many values and keys follow another."""
    return text.count(b"[") + text.count(b"{"), text.count(b",") + text.count(b":")


def _too_wide(opened: int, others: int) -> bool:
    return opened > _MAX_CONTAINERS or opened + others > _MAX_VALUES


def decode_facts(body: bytes) -> CodeFacts:
    """Decode the answer to a check of one block; raises `WireError`."""
    try:
        (size,) = _LENGTH.unpack_from(body)
        if size > len(body) - _LENGTH.size:
            raise WireError("a compiled block is shorter than it says")
        facts = _facts.decode(body[_LENGTH.size + size :])
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, struct.error) as error:
        raise WireError(f"not the facts of a block: {error}") from error
    return msgspec.structs.replace(facts, blob=body[_LENGTH.size : _LENGTH.size + size])


class Connection:
    """One end of a child's socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._buffer = bytearray()
        self._loop = asyncio.get_running_loop()

    async def send(self, frame: bytes) -> None:
        """Send one frame; raises `ChildGone`."""
        try:
            await self._loop.sock_sendall(self._socket, frame)
        except OSError as error:
            raise ChildGone from error

    async def receive(self, limit: int) -> bytes:
        """Return the body of the next frame; raises `ChildGone`, or `WireError` above `limit` bytes."""
        await self._fill(_LENGTH.size)
        (size,) = _LENGTH.unpack_from(self._buffer)
        if size > limit:
            raise WireError(f"a message of {size} bytes, the limit is {limit}")
        await self._fill(_LENGTH.size + size)
        body = bytes(memoryview(self._buffer)[_LENGTH.size : _LENGTH.size + size])
        del self._buffer[: _LENGTH.size + size]
        return body

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            try:
                data = await self._loop.sock_recv(self._socket, _CHUNK)
            except OSError as error:
                raise ChildGone from error
            if not data:
                raise ChildGone
            self._buffer += data

    @property
    def quiet(self) -> bool:
        """Nothing unread is left over, as after an honest answer."""
        if self._buffer:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
