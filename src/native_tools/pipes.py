"""MCP over our own standard streams: pipes read by the event loop, which halves what a call costs in the SDK's way.

While it serves, descriptor 1 is standard error and descriptor 0 is empty: what a library or a child prints or reads
never meets the protocol.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from native_tools import modern
from native_tools.refusals import INVALID_REQUEST, answer_to, answer_to_notification, id_of, refusal

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from mcp.shared._context_streams import ContextReceiveStream
    from mcp.shared.message import SessionMessage

    from native_tools.server import NativeTools

#: Bytes of one message.
_LONGEST_LINE = 64 * 1024 * 1024

#: Bytes at the two ends of a longer one in which its id is looked for.
_END = 512

#: Seconds that a client gets to read the last answers.
_FAREWELL = 1.0


async def serve(tools: NativeTools) -> None:
    """Serve whoever holds the other ends of our standard streams, until they close."""
    if not all(_is_pipe(descriptor) for descriptor in (0, 1)):
        from mcp.server.stdio import stdio_server  # noqa: PLC0415 # for a file or a terminal, in a thread

        server = tools.server()
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
        return
    reader, writer = await _open(*_divert())
    client = _Client(tools, writer)
    try:
        async for line in _lines(reader, writer):
            await client.take(line)
    finally:
        await client.close()


class _Client:
    """Who asks: what is usual is answered here, all else by the SDK, from the first such message on."""

    def __init__(self, tools: NativeTools, writer: asyncio.StreamWriter) -> None:
        self._tools = tools
        self._writer = writer
        #: Calls under way, by their ids; 7 and "7" are one, as they are to the SDK.
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._is_modern = self._is_closing = False
        self._sdk: _Sdk | None = None

    async def take(self, line: bytes) -> None:
        """Take a message, and answer it unless that takes long."""
        usual = modern.read(line) if self._sdk is None or self._calls else None
        if isinstance(usual, modern.Cancel) and (call := self._calls.get(str(usual.params.request_id))) is not None:
            call.cancel()
        elif self._sdk is not None or usual is None:
            await self._leave_to_sdk(line)
        elif not isinstance(usual, modern.Cancel):
            self._is_modern = True
            await self._answer(usual)

    async def _answer(self, request: modern.Discover | modern.List | modern.Call) -> None:
        if isinstance(request, modern.Call):
            self._calls[str(request.id)] = asyncio.create_task(self._call(request))
        elif isinstance(request, modern.List):
            await self._say(request.id, modern.listed(self._tools.listing()))
        else:
            await self._say(request.id, modern.discovered())

    async def _call(self, request: modern.Call) -> None:
        number = request.id
        try:
            answer = await self._tools.answer(request.params.name, request.params.arguments, modern.VERSION)
        except asyncio.CancelledError:
            # Nobody waits for an answer; at the end somebody may.
            if self._is_closing:
                self._writer.write(refusal(modern.CONNECTION_CLOSED, "Connection closed", number))
            raise
        finally:
            if self._calls.get(str(number)) is asyncio.current_task():
                del self._calls[str(number)]
        await self._say(number, modern.called(answer))

    async def _say(self, number: int | str, result: dict[str, Any]) -> None:
        if self._writer.is_closing():
            return
        self._writer.write(msgspec.json.encode({"jsonrpc": "2.0", "id": number, "result": result}) + b"\n")
        # Where nobody reads us any more, that our input ends too is on its way.
        with suppress(ConnectionError):
            await self._writer.drain()

    async def _leave_to_sdk(self, line: bytes) -> None:
        if self._sdk is None:
            self._sdk = _Sdk(self._tools.server(), self._writer)
            if self._is_modern:
                await self._sdk.begin_modern_era()
        await self._sdk.take(line)

    async def close(self) -> None:
        """Give up what is under way; raises what the SDK's server failed with."""
        self._is_closing = True
        calls = tuple(self._calls.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        if self._sdk is not None:
            await self._sdk.close()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_FAREWELL):
                await self._writer.drain()


class _Sdk:
    """The SDK's server behind the same pipes."""

    def __init__(self, server: Server[Any], writer: asyncio.StreamWriter) -> None:
        from mcp.shared._context_streams import create_context_streams  # noqa: PLC0415 # slow to load
        from mcp.shared.message import SessionMessage  # noqa: PLC0415 # slow to load

        self._writer = writer
        #: The id of a request of our own; no client knows it.
        self._own_id = secrets.token_hex(16)
        self._inbound, received = create_context_streams[SessionMessage | Exception](0)
        sent, outbound = create_context_streams[SessionMessage](0)
        self._serving = asyncio.create_task(server.run(received, sent, server.create_initialization_options()))
        self._writing = asyncio.create_task(self._write(outbound))

    async def begin_modern_era(self) -> None:
        """Tell it the era of this connection, which a request decides; what it answers is nobody's."""
        ask = {"jsonrpc": "2.0", "id": self._own_id, "method": "server/discover", "params": {"_meta": modern.ENVELOPE}}
        await self.take(msgspec.json.encode(ask))

    async def take(self, line: bytes) -> None:
        """Pass a line on, or answer what is no message."""
        import mcp_types  # noqa: PLC0415 # slow to load
        from mcp.shared.message import SessionMessage  # noqa: PLC0415 # slow to load

        text = line.decode("utf-8", "replace")
        answer: bytes | None = None
        message: mcp_types.JSONRPCMessage | None = None
        try:
            message = mcp_types.jsonrpc_message_adapter.validate_json(text, by_name=False)
        except ValueError:
            # The SDK would drop it, and whoever asked would wait for ever.
            answer = answer_to(line)
        if isinstance(message, mcp_types.JSONRPCNotification):
            answer = answer_to_notification(text)
        if answer is not None:
            self._writer.write(answer)
        elif message is not None:
            await self._inbound.send(SessionMessage(message))

    async def _write(self, outbound: ContextReceiveStream[SessionMessage]) -> None:
        async with outbound:
            async for sent in outbound:
                if getattr(sent.message, "id", None) == self._own_id:
                    continue
                line = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                self._writer.write(line.encode() + b"\n")
                try:
                    await self._writer.drain()
                except ConnectionError:
                    # Nobody reads us any more; that our input ends too is on its way.
                    return

    async def close(self) -> None:
        """End it; raises what it failed with."""
        await self._inbound.aclose()
        try:
            await self._serving
        finally:
            self._writing.cancel()
            await asyncio.wait((self._writing,))


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _divert() -> tuple[int, int]:
    """Move the protocol away from descriptors 0 and 1; return where it is now."""
    wire_in, wire_out = (fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3) for descriptor in (0, 1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire_in, wire_out


async def _open(wire_in: int, wire_out: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(wire_in, "rb", 0))
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(wire_out, "wb", 0))
    # What is drained has been written: we may end then.
    transport.set_write_buffer_limits(0)
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    """Yield lines that say something, to the end of the input; one that is too long is refused."""
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError as error:
            number = id_of(*await _skip_line(reader, error.consumed))
            writer.write(refusal(INVALID_REQUEST, f"A message is longer than {_LONGEST_LINE} bytes.", number))
            continue
        if not line.isspace():
            yield line


async def _skip_line(reader: asyncio.StreamReader, consumed: int) -> tuple[bytes, bytes]:
    """Read away the rest of a line that is too long; return its beginning and its end, and keep nothing else."""
    head = tail = b""
    while True:
        part = await reader.readexactly(consumed)
        head, tail = head or part[:_END], part[-_END:]
        try:
            rest = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            consumed = error.consumed
        except asyncio.IncompleteReadError:
            return head, b""
        else:
            return head, (tail + rest)[-_END:]
