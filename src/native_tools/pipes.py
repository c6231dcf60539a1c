"""MCP over our own standard streams: pipes read by the event loop, which halves what a call costs in the SDK's way.

While it serves, descriptor 1 is standard error and descriptor 0 is empty: what a library or a child prints or reads
never meets the protocol.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from typing import TYPE_CHECKING, Any

from native_tools.refusals import INVALID_REQUEST, answer_to, answer_to_notification, id_of, refusal

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream
    from mcp.shared.message import SessionMessage

#: Bytes of one message.
_LONGEST_LINE = 64 * 1024 * 1024

#: Bytes at the two ends of a longer one in which its id is looked for.
_END = 512


async def serve(server: Server[Any]) -> None:
    """Serve whoever holds the other ends of our standard streams, until they close."""
    if not all(_is_pipe(descriptor) for descriptor in (0, 1)):
        from mcp.server.stdio import stdio_server  # noqa: PLC0415 # for a file or a terminal, in a thread

        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
        return
    reader, writer = await _open(*_divert())
    import anyio  # noqa: PLC0415 # with the server
    from mcp.shared._context_streams import create_context_streams  # noqa: PLC0415 # as above
    from mcp.shared.message import SessionMessage  # noqa: PLC0415 # as above

    inbound, received = create_context_streams[SessionMessage | Exception](0)
    sent, outbound = create_context_streams[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, reader, writer, inbound)
        tasks.start_soon(_write, writer, outbound)
        await server.run(received, sent, server.create_initialization_options())
        tasks.cancel_scope.cancel()


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
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _read(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inbound: ContextSendStream[SessionMessage | Exception]
) -> None:
    import mcp_types  # noqa: PLC0415 # with the server
    from mcp.shared.message import SessionMessage  # noqa: PLC0415 # as above

    async with inbound:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError as error:
                number = id_of(*await _skip_line(reader, error.consumed))
                writer.write(refusal(INVALID_REQUEST, f"A message is longer than {_LONGEST_LINE} bytes.", number))
                continue
            if line.isspace():
                continue
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
                writer.write(answer)
            elif message is not None:
                await inbound.send(SessionMessage(message))


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


async def _write(writer: asyncio.StreamWriter, outbound: ContextReceiveStream[SessionMessage]) -> None:
    async with outbound:
        async for sent in outbound:
            line = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
            writer.write(line.encode() + b"\n")
            try:
                await writer.drain()
            except ConnectionError:
                # Nobody reads us any more; that our input ends too is on its way.
                return
