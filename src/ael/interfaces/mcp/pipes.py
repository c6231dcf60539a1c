"""MCP over standard streams, read and written by the event loop: half of what a call costs in the SDK's threads."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio
import mcp_types
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage

from ael.app.serving.served import Presence

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream

#: Bytes of one message.
_LONGEST_LINE = 64 * 1024 * 1024

_PIECE = 64 * 1024

#: Answers a line that is no message, and says why.
Refuse = Callable[[bytes, str], Awaitable[None]]

#: Messages on their way between two tasks: without, each one costs another turn of the event loop.
_BUFFERED = 16


async def serve_pipes(server: Server[Any], presence: Presence, wire: tuple[int, int]) -> None:
    """Serve whoever holds the other ends of these descriptors, until they close theirs."""
    reader = await _reader(wire[0])
    writer = await _writer(wire[1])
    inbound, received = create_context_streams[SessionMessage | Exception](_BUFFERED)
    sent, outbound = create_context_streams[SessionMessage](_BUFFERED)
    async with anyio.create_task_group() as tasks:

        def gone() -> None:
            presence.leave()
            tasks.cancel_scope.cancel()

        async def refuse(line: bytes, why: str) -> None:
            await _send(writer, _refusal(line, why), gone)

        tasks.start_soon(_read, reader, inbound, presence, refuse)
        tasks.start_soon(_write, writer, outbound, gone)
        await server.run(received, sent, server.create_initialization_options())
        tasks.cancel_scope.cancel()


# -- ends of the wire -------------------------------------------------------------------------------------------------


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


async def _writer(descriptor: int) -> asyncio.StreamWriter | _FileWriter:
    loop = asyncio.get_running_loop()
    sink = os.fdopen(descriptor, "wb", 0)
    if not _is_pipe(descriptor):
        return _FileWriter(sink)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sink)
    return asyncio.StreamWriter(transport, protocol, None, loop)


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


# -- messages ---------------------------------------------------------------------------------------------------------


async def _read(
    reader: asyncio.StreamReader,
    inbound: ContextSendStream[SessionMessage | Exception],
    presence: Presence,
    refuse: Refuse,
) -> None:
    async with inbound:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                # A last line may lack its end.
                if error.partial.strip():
                    await inbound.send(await _message(error.partial, refuse))
                presence.leave()
                return
            except asyncio.LimitOverrunError as error:
                await _skip_line(reader, error.consumed)
                await refuse(b"", f"a message is longer than {_LONGEST_LINE} bytes")
                continue
            if not line.isspace():
                await inbound.send(await _message(line, refuse))


async def _message(line: bytes, refuse: Refuse) -> SessionMessage | Exception:
    try:
        return SessionMessage(
            mcp_types.jsonrpc_message_adapter.validate_json(line.decode("utf-8", "replace"), by_name=False)
        )
    except ValueError as error:
        await refuse(line, "this is no message of JSON-RPC 2.0, or holds what strict JSON cannot")
        return error


def _refusal(line: bytes, why: str) -> bytes:
    """Return the answer to what is no message, under its id where that can be made out: somebody may wait for it.

    It is empty where the line may be an answer itself: two who answer each other's answers never end.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return _refused(None, mcp_types.PARSE_ERROR, why)
    if isinstance(found, dict) and "method" not in found:
        return b""
    given = found.get("id") if isinstance(found, dict) else None
    number = given if isinstance(given, str | int) and not isinstance(given, bool) else None
    return _refused(number, mcp_types.INVALID_REQUEST, why)


def _refused(number: str | int | None, code: int, why: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": why}}).encode() + b"\n"


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


async def _write(
    writer: asyncio.StreamWriter | _FileWriter,
    outbound: ContextReceiveStream[SessionMessage],
    gone: Callable[[], None],
) -> None:
    async with outbound:
        async for sent in outbound:
            line = sent.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
            await _send(writer, line, gone)


async def _send(writer: asyncio.StreamWriter | _FileWriter, line: bytes, gone: Callable[[], None]) -> None:
    try:
        writer.write(line)
        await writer.drain()
    except ConnectionError:
        # Nobody reads us any more, whatever else they may still say.
        gone()
