"""MCP over standard streams, read and written by the event loop: half of what a call costs in the SDK's threads."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import anyio
import mcp_types
from mcp.shared._context_streams import create_context_streams
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.message import ServerMessageMetadata, SessionMessage

from ael.app.serving.served import Presence
from ael.interfaces.mcp.messages import LONGEST_METHOD, Fault, fault_of, read_message, refusal
from ael.interfaces.mcp.requests import TAKEN, OpenRequests

if TYPE_CHECKING:
    from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream

    from ael.interfaces.mcp.server import McpServer

#: Bytes of one message.
_LONGEST_LINE = 64 * 1024 * 1024

_PIECE = 64 * 1024

#: Sends a line, or answers what is refused.
Send = Callable[[bytes], Awaitable[None]]

#: Messages on their way between two tasks: without, each one costs another turn of the event loop.
_BUFFERED = 16


async def serve_pipes(server: McpServer, presence: Presence, wire: tuple[int, int], requests: OpenRequests) -> None:
    """Serve whoever holds the other ends of these descriptors, until they close theirs.

    Who only ends what we read still gets answers to what they have asked: they are gone when nobody reads us any more.
    `requests` holds those that are not answered yet. Raises `OSError` where what we write to is a file on a full disk.
    """
    failed: list[OSError] = []
    inbound, received = create_context_streams[SessionMessage | Exception](_BUFFERED)
    sent, outbound = create_context_streams[SessionMessage](_BUFFERED)
    async with anyio.create_task_group() as tasks:

        def gone() -> None:
            presence.leave()
            tasks.cancel_scope.cancel()

        # Of one socket for both directions, its end is all there is to see of who has died.
        is_socket = _is_one_socket(wire)
        reader, writer = await (_both(wire) if is_socket else _ends(wire, gone))

        async def refuse(answer: bytes) -> None:
            await send(answer + b"\n")

        async def send(line: bytes) -> None:
            try:
                writer.write(line)
                await writer.drain()
            except ConnectionError:
                # Nobody reads us any more, whatever else they may still say.
                gone()
            except OSError as error:
                failed.append(error)
                gone()

        async def ended() -> None:
            if is_socket:
                gone()
                return
            server.news.close()
            await requests.none()
            presence.leave()

        tasks.start_soon(_read, reader, inbound, refuse, requests, ended)
        tasks.start_soon(_write, outbound, send, requests)
        await server.run(received, sent, server.create_initialization_options())
        tasks.cancel_scope.cancel()
    if failed:
        raise failed[0]


# -- ends of the wire -------------------------------------------------------------------------------------------------


_Writer: TypeAlias = "asyncio.StreamWriter | _FileWriter"


def _is_one_socket(wire: tuple[int, int]) -> bool:
    return stat.S_ISSOCK(os.fstat(wire[0]).st_mode) and os.path.sameopenfile(*wire)


async def _both(wire: tuple[int, int]) -> tuple[asyncio.StreamReader, _Writer]:
    """Open one socket: as two pipes, what comes in would be taken for the end of what goes out."""
    os.close(wire[1])
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=wire[0]), limit=_LONGEST_LINE)
    writer.transport.set_write_buffer_limits(0)
    return reader, writer


async def _ends(wire: tuple[int, int], gone: Callable[[], None]) -> tuple[asyncio.StreamReader, _Writer]:
    return await _reader(wire[0]), await _writer(wire[1], gone)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    source = os.fdopen(descriptor, "rb", 0)
    if _is_pipe(descriptor):
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    else:
        # A file or a terminal, which the event loop cannot wait for; a read of a terminal ends only with it.
        threading.Thread(target=_pump, args=(source, reader, loop), daemon=True).start()
    return reader


def _pump(source: BinaryIO, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
    try:
        while piece := source.read(_PIECE):
            loop.call_soon_threadsafe(reader.feed_data, piece)
        loop.call_soon_threadsafe(reader.feed_eof)
    except (OSError, RuntimeError):
        # The terminal is gone, or the loop has ended before it.
        return


class _FileWriter:
    """Writes to what never lets one wait for long: a file, a terminal."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, data: bytes) -> None:
        """Write it all."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._sink.write(rest) :]

    async def drain(self) -> None:
        """Let others run."""
        await asyncio.sleep(0)


class _Readers(asyncio.streams.FlowControlMixin):
    """Whoever reads a pipe of ours."""

    def __init__(self, gone: Callable[[], None]) -> None:
        super().__init__()
        self._gone = gone

    def connection_lost(self, exc: Exception | None) -> None:
        """See the base class."""
        super().connection_lost(exc)
        self._gone()


async def _writer(descriptor: int, gone: Callable[[], None]) -> _Writer:
    loop = asyncio.get_running_loop()
    sink = os.fdopen(descriptor, "wb", 0)
    if not _is_pipe(descriptor):
        return _FileWriter(sink)
    transport, protocol = await loop.connect_write_pipe(lambda: _Readers(gone), sink)
    # What is drained has been written: an answer counts as given then, and we may end.
    transport.set_write_buffer_limits(0)
    return asyncio.StreamWriter(transport, protocol, None, loop)


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


# -- messages ---------------------------------------------------------------------------------------------------------


async def _read(
    reader: asyncio.StreamReader,
    inbound: ContextSendStream[SessionMessage | Exception],
    refuse: Send,
    requests: OpenRequests,
    ended: Callable[[], Awaitable[None]],
) -> None:
    async with inbound:
        while True:
            is_last = False
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                # A last line may lack its end.
                line, is_last = error.partial, True
            except asyncio.LimitOverrunError as error:
                await _skip_line(reader, error.consumed)
                await refuse(refusal(mcp_types.PARSE_ERROR, f"a message is longer than {_LONGEST_LINE} bytes"))
                continue
            if line.strip():
                message = await _message(line, refuse, requests)
                if message is not None:
                    await inbound.send(message)
            if is_last:
                await ended()
                return


async def _message(line: bytes, refuse: Send, requests: OpenRequests) -> SessionMessage | None:
    """Return the message of a line; None for one that was refused."""
    try:
        message = mcp_types.jsonrpc_message_adapter.validate_json(line.decode("utf-8", "replace"), by_name=False)
    except ValueError:
        message = None
    # The SDK takes a request whose id is none for a notification, and its sender waits for ever.
    if message is None or (isinstance(message, mcp_types.JSONRPCNotification) and b'"id"' in line):
        fault = fault_of(line) if message is None else read_message(line)
        if isinstance(fault, Fault):
            if not fault.may_be_answer:
                await refuse(fault.answer())
            return None
    if not isinstance(message, mcp_types.JSONRPCRequest):
        return None if message is None else SessionMessage(message)
    if len(message.method) > LONGEST_METHOD:
        why = f"Invalid request: 'method' is longer than {LONGEST_METHOD} characters"
        await refuse(refusal(mcp_types.INVALID_REQUEST, why, message.id))
        return None
    number = coerce_request_id(message.id)
    if not requests.begin(number):
        # Under the id itself it would be taken for the answer to the other one.
        await refuse(refusal(mcp_types.INVALID_REQUEST, f"{TAKEN} It is {str(message.id)[:60]!r}."))
        return None

    async def unanswered() -> None:
        requests.end(number)

    return SessionMessage(message, ServerMessageMetadata(on_request_unanswered=unanswered))


async def _skip_line(reader: asyncio.StreamReader, consumed: int) -> None:
    """Read away the rest of a line that is too long, without keeping it."""
    while True:
        await reader.readexactly(consumed)
        try:
            await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            consumed = error.consumed
        except asyncio.IncompleteReadError:
            return
        else:
            return


async def _write(outbound: ContextReceiveStream[SessionMessage], send: Send, requests: OpenRequests) -> None:
    async with outbound:
        async for sent in outbound:
            message = sent.message
            line = message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
            await send(line)
            if isinstance(message, mcp_types.JSONRPCResponse | mcp_types.JSONRPCError) and message.id is not None:
                requests.end(coerce_request_id(message.id))
