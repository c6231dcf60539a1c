"""JSON-RPC over the standard streams of a child process: framing, ids, time-outs, cancellation.

A message is a line of JSON (MCP, stdio transport). Everything that comes in is hostile until decoded: lines are
capped before they are joined, records are typed, a line that is none of ours is kept for diagnosis and costs one
call at most.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

#: What a server's process inherits: enough to run, none of our secrets.
INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "VIRTUAL_ENV", "TZ")

#: Codes of JSON-RPC 2.0 and MCP that we read or write.
METHOD_NOT_FOUND = -32601

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


class RpcError(Exception):
    """The peer answered a request with an error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class PeerGone(Exception):
    """The connection ended before the answer came."""


class PeerTimeout(Exception):
    """No answer came in time; the peer was told."""


class InvalidAnswer(Exception):
    """The answer is no JSON-RPC, or too large."""


_decode = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode

Notify = Callable[[str, dict[str, Any]], None]


class Peer(asyncio.SubprocessProtocol):
    """One process and the requests under way on it."""

    def __init__(self, max_message: int, on_notification: Notify) -> None:
        self._max_message = max_message
        self._on_notification = on_notification
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._last_id = 0
        self._chunks: list[bytes] = []
        self._size = 0
        self._skipping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._stderr_rest = b""
        #: Lines that were no message, shortened, for diagnosis.
        self.noise: deque[str] = deque(maxlen=20)
        #: Why the connection ended; None while it lasts.
        self.ended: str | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()
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
    ) -> Peer:
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
        if self.ended is None:
            self.ended = why
        self._writable.set()
        self._fail_all(PeerGone(self.ended))
        if not self.gone.done():
            self.gone.set_result(None)

    def _fail_all(self, error: Exception) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_exception(error)

    def _take_stderr(self, data: bytes) -> None:
        *lines, self._stderr_rest = (self._stderr_rest + data).split(b"\n")
        self._stderr_rest = self._stderr_rest[-_STDERR_LINE:]
        for line in lines:
            self._stderr.append(line[:_STDERR_LINE].decode("utf-8", "replace"))

    def stderr(self, lines: int = _STDERR_LINES) -> list[str]:
        """Return the last lines that the process wrote to its standard error."""
        rest = self._stderr_rest.decode("utf-8", "replace")
        return [*self._stderr, *([rest] if rest else [])][-lines:]

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
            future = self._pending.get(_number(message.id))
            if future is None or future.done():
                self.noise.append(f"an answer to nothing: id {message.id!r}")
            elif message.error is not None:
                code, text = message.error.get("code"), message.error.get("message")
                error = RpcError(code if isinstance(code, int) else 0, str(text)[:4000], message.error.get("data"))
                future.set_exception(error)
            else:
                future.set_result(message.result)
        elif message.id is None:
            self._on_notification(message.method, message.params or {})
        elif message.method == "ping":
            self._write({"jsonrpc": "2.0", "id": message.id, "result": {}})
        else:
            error_body = {"code": METHOD_NOT_FOUND, "message": f"{message.method} is not offered by this client"}
            self._write({"jsonrpc": "2.0", "id": message.id, "error": error_body})

    # -- outbound -----------------------------------------------------------------------------------------------

    def _write(self, message: dict[str, Any]) -> None:
        if self.ended is None:
            self._stdin.write(_encode(message) + b"\n")

    async def request(self, method: str, params: dict[str, Any] | None, timeout_seconds: float) -> msgspec.Raw:
        """Send a request and return its result, still encoded.

        Raises `RpcError`, `PeerGone`, `PeerTimeout` or `InvalidAnswer`. On a time-out and on cancellation the peer
        is told, except for the requests that open a session, which may not be cancelled.
        """
        if self.ended is not None:
            raise PeerGone(self.ended)
        await self._writable.wait()
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[msgspec.Raw] = self._loop.create_future()
        self._pending[number] = answer
        timer = self._loop.call_later(timeout_seconds, _expire, answer)
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            body["params"] = params
        try:
            self._write(body)
            return await answer
        except (asyncio.CancelledError, PeerTimeout) as error:
            if method not in {"initialize", "server/discover"}:
                reason = "timeout" if isinstance(error, PeerTimeout) else "cancelled"
                self.notify("notifications/cancelled", {"requestId": number, "reason": reason})
            raise
        finally:
            timer.cancel()
            del self._pending[number]

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a notification."""
        self._write({"jsonrpc": "2.0", "method": method, **({"params": params} if params is not None else {})})

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


def _expire(answer: asyncio.Future[msgspec.Raw]) -> None:
    if not answer.done():
        answer.set_exception(PeerTimeout())


def _number(given: int | str | None) -> int:
    """Return a request's number; a peer may echo "7" for 7."""
    if isinstance(given, str):
        return int(given) if given.isdecimal() and len(given) < 20 else -1
    return -1 if given is None else given


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
