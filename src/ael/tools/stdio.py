"""JSON-RPC over the standard streams of a child process: a message is a line of JSON (MCP, stdio transport).

Lines are capped before they are joined, records are typed, and a line that is none of ours costs one call at most.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any, cast

import msgspec

from ael.tools.jsonrpc import InvalidAnswer, Notify, Peer, T

#: What a server's process inherits: enough to run, none of our secrets.
INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "VIRTUAL_ENV", "TZ")

#: Lines above this many bytes are decoded in a thread, so that the event loop is never held up.
_OFF_LOOP = 512 * 1024
_STDERR_LINES = 100
_STDERR_LINE = 2000


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    id: int | str | None = None
    method: str | None = None
    params: dict[str, Any] | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


class ProcessPeer(Peer, asyncio.SubprocessProtocol):
    """One process and the requests under way on it."""

    def __init__(self, max_message: int, on_notification: Notify) -> None:
        super().__init__(on_notification)
        self._max_message = max_message
        self._chunks: list[bytes] = []
        self._size = 0
        self._skipping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._stderr_rest = b""
        self.exited: asyncio.Future[int | None] = self._loop.create_future()
        self._transport: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport
        self.pid = 0

    @classmethod
    async def spawn(
        cls,
        command: Sequence[str],
        *,
        env: dict[str, str],
        cwd: str | None,
        max_message: int,
        on_notification: Notify,
    ) -> ProcessPeer:
        """Start a process; raises `OSError`."""
        peer = cls(max_message, on_notification)
        inherited = {name: value for name in INHERITED if (value := os.environ.get(name)) is not None}
        transport, _ = await peer._loop.subprocess_exec(
            lambda: peer, *command, env=inherited | env, cwd=cwd, start_new_session=True
        )
        peer._transport = transport
        peer.pid = transport.get_pid()
        stdin = transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)
        peer._stdin = stdin
        return peer

    # -- asyncio.SubprocessProtocol -----------------------------------------------------------------------------

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take what the process wrote (asyncio's name)."""
        if fd == 2:
            self._take_stderr(data)
            return
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return
        head, rest = data[:end], data[end + 1 :]
        first, *others = head.split(b"\n")
        self._keep(first)
        line, self._chunks, self._size = b"".join(self._chunks), [], 0
        if self._skipping:
            self._skipping = False
        else:
            self._line(line)
        for other in others:
            self._line(other)
        if rest:
            self._keep(rest)

    def _keep(self, data: bytes) -> None:
        """Keep a part of a line, unless the line is too long already."""
        if self._skipping:
            return
        self._size += len(data)
        if self._size > self._max_message:
            self._chunks, self._size, self._skipping = [], 0, True
            self.noise.append(f"a message above {self._max_message} bytes")
            # Whose answer it is nobody knows without reading it, so everybody is told.
            self._fail_all(InvalidAnswer(f"a message is larger than {self._max_message} bytes"))
            return
        self._chunks.append(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """See asyncio."""
        if fd == 1:
            self._end("the server closed its output")

    def process_exited(self) -> None:
        """See asyncio."""
        code = self._transport.get_returncode()
        if not self.exited.done():
            self.exited.set_result(code)
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        self._end(f"the server's process ended with {how}")

    def pause_writing(self) -> None:
        """See asyncio."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._writable.set()

    def _end(self, why: str) -> None:
        self._writable.set()
        super()._end(why)

    def _take_stderr(self, data: bytes) -> None:
        *lines, self._stderr_rest = (self._stderr_rest + data).split(b"\n")
        self._stderr_rest = self._stderr_rest[-_STDERR_LINE:]
        for line in lines:
            self._stderr.append(line[:_STDERR_LINE].decode("utf-8", "replace"))

    def stderr(self) -> list[str]:
        """Return the last lines that the process wrote to its standard error."""
        rest = self._stderr_rest.decode("utf-8", "replace")
        return [*self._stderr, *([rest] if rest else [])][-_STDERR_LINES:]

    # -- inbound ------------------------------------------------------------------------------------------------

    def _line(self, line: bytes) -> None:
        if not line or line.isspace():
            return
        if len(line) > _OFF_LOOP:
            task = self._loop.create_task(self._line_in_thread(line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        try:
            self._message(_decode(line))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            self._not_a_message(line, error)

    async def _line_in_thread(self, line: bytes) -> None:
        try:
            message = await asyncio.to_thread(_decode, line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            self._not_a_message(line, error)
        else:
            self._message(message)

    def _not_a_message(self, line: bytes, error: Exception) -> None:
        self.noise.append(line[:200].decode("utf-8", "replace"))
        number = _id_of(line)
        future = self._pending.get(number) if number is not None else None
        if future is not None and not future.done():
            future.set_exception(InvalidAnswer(f"the answer is not valid: {error}"))

    def _message(self, message: _Message) -> None:
        if message.method is None:
            self._answered(message.id, message.result, message.error)
        elif message.id is None:
            self._notified(message.method, message.params or {})
        else:
            self._asked(message.id, message.method)

    async def _shaped(self, result: msgspec.Raw, shape: type[T]) -> T:
        decode = _decoder(cast("Any", shape)).decode
        found: T = await asyncio.to_thread(decode, result) if len(result) > _OFF_LOOP else decode(result)
        return found

    # -- outbound -----------------------------------------------------------------------------------------------

    def _write(self, message: dict[str, Any]) -> None:
        if self.ended is None:
            self._stdin.write(_encode(message) + b"\n")

    async def _may_write(self) -> None:
        await self._writable.wait()

    async def close(self, grace: float = 0.8) -> None:
        """Stop the process: close its input, then SIGTERM, then SIGKILL, to its whole group; within two seconds."""
        self._end("closed")
        self._stdin.close()
        for step in (None, signal.SIGTERM, signal.SIGKILL):
            if step is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, step)
            done, _ = await asyncio.wait((self.exited,), timeout=grace / 2 if step is None else grace)
            if done:
                break
        with suppress(ProcessLookupError, PermissionError):
            # Children of the server that outlived it.
            os.killpg(self.pid, signal.SIGKILL)
        self._transport.close()
        for task in tuple(self._tasks):
            task.cancel()


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 # any type
    return msgspec.json.Decoder(shape)


def _id_of(line: bytes) -> int | None:
    """Return the id of a line that is no message, where it can still be found."""
    for known in (b'"id":', b'"id" :'):
        at = line.rfind(known) if len(line) > 4096 else line.find(known)
        if at >= 0:
            digits = (
                line[at + len(known) : at + len(known) + 24].strip(b' "').split(b",")[0].split(b"}")[0].strip(b' "')
            )
            if digits.isdigit():
                return int(digits)
    return None
