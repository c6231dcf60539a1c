"""JSON-RPC over the standard streams of a child process: a message is a line of JSON (MCP, stdio transport).

Lines are capped before they are joined and worked on in slices of time, records are typed, and a line that is none of
ours costs one call at most.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, cast

import msgspec

from ael.tools.jsonrpc import InvalidAnswer, Notify, Peer, T
from ael.tools.keeper import Family, Keeper
from ael.tools.lines import LineReader, number_at_head, number_at_tail
from ael.tools.listing import what_is_wrong
from ael.tools.output_pipe import OutputPipe
from ael.tools.stderr import LastLines
from ael.values import beginning, bulk

#: What a server's process inherits: enough to run, none of our secrets.
INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "VIRTUAL_ENV", "TZ")

#: Seconds that lines are worked on before others have their turn.
_TURN = 0.005

#: Large lines that are decoded at the same time; more wait in the pipe.
_MOST_LARGE = 4

#: Seconds that the end of one stream waits for that of the others: for the last answer, the last words, the exit code.
_LAST_WORDS = 0.3

#: Seconds that may be spent on what came before the end.
_BACKLOG = 5.0

#: Seconds that the standard error rests after it was read: many a server writes a line a call, which nobody waits for.
_STDERR_PAUSE = 0.05

#: Bytes of it that are read without a rest, and at the end: one who floods it is slowed down.
_STDERR_BURST = 1024 * 1024

#: Bytes that tell that there may be more of it.
_STDERR_MUCH = 32 * 1024


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

    is_strict = True

    def __init__(self, max_message: int, on_notification: Notify, last_lines: LastLines) -> None:
        super().__init__(on_notification)
        self._max_message = max_message
        self._reader = LineReader(max_message, self._too_long)
        #: Lines that wait for their turn.
        self._lines: deque[list[bytes]] = deque()
        self._turn: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_lines = last_lines
        self._stdout = OutputPipe(self._take, partial(self._stream_ended, 1), is_wide=True)
        self._stderr = OutputPipe(self._take_stderr, partial(self._stream_ended, 2), is_wide=False)
        self._stderr_burst = 0
        self._open_pipes = {0, 1, 2}
        self._finishing: asyncio.Task[None] | None = None
        self.exited: asyncio.Future[int | None] = self._loop.create_future()
        #: Done when both output streams have ended and the process too.
        self._all_read: asyncio.Future[None] = self._loop.create_future()
        #: Set while no line waits and none is worked on.
        self._idle = asyncio.Event()
        self._idle.set()
        self._transport: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport
        self._family: Family
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
        last_lines: LastLines,
        keeper: Keeper,
    ) -> ProcessPeer:
        """Start a process in a session of its own; raises `OSError`."""
        peer = cls(max_message, on_notification, last_lines)
        inherited = {name: value for name in INHERITED if (value := os.environ.get(name)) is not None}
        peer._family = keeper.family()
        try:
            await peer._start(command, inherited | env | peer._family.environment, cwd)
        except BaseException:
            await peer._family.end()
            raise
        return peer

    async def _start(self, command: Sequence[str], env: dict[str, str], cwd: str | None) -> None:
        pipes = (self._stdout, self._stderr)
        stdout, stderr = (pipe.childs_end for pipe in pipes)
        try:
            await self._loop.subprocess_exec(
                lambda: self, *command, stdout=stdout, stderr=stderr, env=env, cwd=cwd, start_new_session=True
            )
        except BaseException:
            for pipe in pipes:
                pipe.close()
            raise
        finally:
            for pipe in pipes:
                pipe.release()
        for pipe in pipes:
            pipe.resume()

    # -- asyncio.SubprocessProtocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        assert isinstance(transport, asyncio.SubprocessTransport)
        stdin = transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)
        self._transport, self._stdin, self.pid = transport, stdin, transport.get_pid()
        self._family.came(self.pid)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """See asyncio: it has our end of its standard input."""
        self._stream_ended(fd)

    def process_exited(self) -> None:
        """See asyncio."""
        if not self.exited.done():
            self.exited.set_result(self._transport.get_returncode())
        self._stderr.resume()
        self._finish()
        self._note_end()

    def pause_writing(self) -> None:
        """See asyncio."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._writable.set()

    # -- its output ---------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self._lines += self._reader.feed(data)
        self._idle.clear()
        if self._turn is None:
            self._work()

    def _take_stderr(self, data: bytes) -> None:
        self._last_lines.take(data)
        self._stderr_burst += len(data)
        if len(data) < _STDERR_MUCH or self._stderr_burst > _STDERR_BURST:
            self._stderr_burst = 0
            self._stderr.pause()
            self._loop.call_later(_STDERR_PAUSE, self._stderr.resume)

    def read_stderr(self) -> None:
        """Take what stands in the standard error now, as far as it is no flood."""
        for _ in range(_STDERR_BURST // _STDERR_MUCH):
            if not self._stderr.read():
                break

    def _stream_ended(self, fd: int) -> None:
        self._open_pipes.discard(fd)
        if fd != 2:
            self._stderr.resume()
            self._finish()
        self._note_end()

    # -- the end ------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a request may be sent."""
        return self.ended is None and self._finishing is None

    def _note_end(self) -> None:
        if not self._open_pipes & {1, 2} and self.exited.done() and not self._all_read.done():
            self._all_read.set_result(None)

    def _finish(self) -> None:
        if self._finishing is None and self.ended is None:
            self._finishing = self._loop.create_task(self._read_the_rest(), name=f"last words of process {self.pid}")

    async def _read_the_rest(self) -> None:
        """End the connection when all is read that came before the end.

        Its streams and the process end in any order, and a grandchild may hold a stream open for ever.
        """
        await asyncio.wait((self._all_read,), timeout=_LAST_WORDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(_BACKLOG):
                if self._has_ended():
                    await asyncio.wait((self.exited,))
                await self._idle.wait()
                # What waited in the pipe while lines were worked on; it holds no more than is read in one go.
                if self._stdout.read():
                    await self._idle.wait()
        if not self.exited.done():
            self._end(f"the server closed its {'output' if 1 not in self._open_pipes else 'input'}")
            return
        code = self.exited.result()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        self._end(f"the server's process ended with {how}")

    def _has_ended(self) -> bool:
        """Return whether the process has ended, also where the thread that waits for that has not yet told the loop."""
        if self.exited.done() or not hasattr(os, "waitid"):
            return self.exited.done()
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            # That thread has taken leave of it.
            return True

    def _end(self, why: str) -> None:
        self.read_stderr()
        self._last_lines.end()
        super()._end(why)
        self._writable.set()

    # -- inbound ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Take lines until a turn is over; one who floods us waits in the pipe meanwhile."""
        self._turn = None
        until = self._loop.time() + _TURN
        while self._lines and len(self._tasks) < _MOST_LARGE:
            self._line(self._lines.popleft())
            if self._loop.time() > until:
                break
        if self._lines or len(self._tasks) >= _MOST_LARGE:
            self._stdout.pause()
            if len(self._tasks) < _MOST_LARGE:
                self._turn = self._loop.call_soon(self._work)
            return
        self._stdout.resume()
        if not self._tasks:
            self._idle.set()

    def _line(self, chunks: list[bytes]) -> None:
        size = sum(map(len, chunks))
        if size > bulk.SLICE:
            task = self._loop.create_task(self._large_line(chunks))
            self._tasks.add(task)
            task.add_done_callback(self._large_done)
            return
        line = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if not line or line.isspace():
            return
        try:
            self._message(_decode(line))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            self._not_a_message(line, error)

    async def _large_line(self, chunks: list[bytes]) -> None:
        line = await bulk.in_thread(b"".join, chunks)
        chunks.clear()
        try:
            message = await bulk.in_thread(_decode, line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            self._not_a_message(line, error)
        else:
            self._message(message)

    def _large_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and self._turn is None and self.ended is None:
            self._work()

    def _too_long(self, number: int | None, has_ended: bool) -> None:
        """Fail the call whose answer is too large; all of them where nobody can tell which one it is."""
        error = InvalidAnswer(f"a message is larger than {self._max_message} bytes")
        if not has_ended or number is None:
            self.noise.append(str(error))
        if number is not None:
            self._fail(number, error)
        elif has_ended or len(self._pending) == 1:
            self._fail_all(error)

    def _not_a_message(self, line: bytes, error: Exception) -> None:
        self.noise.append(beginning(line[:1000].decode("utf-8", "replace"), 200))
        if line.lstrip()[:1] != b"{" or b'"method"' in line[:4096]:
            # A line of a log, perhaps with a message of ours in it.
            return
        number = number_at_head(line[:256])
        if number is None:
            number = number_at_tail(line[-256:])
        if number is not None:
            self._fail(number, InvalidAnswer(f"the answer is not valid: {what_is_wrong(line, error)}", line))

    def _message(self, message: _Message) -> None:
        if message.method is None:
            self._answered(message.id, message.result, message.error)
        elif message.id is None:
            self._notified(message.method, message.params or {})
        else:
            self._asked(message.id, message.method)

    async def _shaped(self, result: msgspec.Raw, shape: type[T]) -> T:
        if len(result) > bulk.SLICE:
            return msgspec.convert(await bulk.in_thread(bulk.decode, result), shape)
        found: T = _decoder(cast("Any", shape)).decode(result)
        return found

    # -- outbound -----------------------------------------------------------------------------------------------

    def _write(self, message: dict[str, Any]) -> None:
        # A peer that does not read gets no answers and no notifications, which nobody waits for, and costs no memory.
        if self.is_open and (self._writable.is_set() or ("id" in message and "method" in message)):
            self._stdin.write(_encode(message) + b"\n")

    async def close(self, grace: float = 0.6) -> None:
        """Stop the process: close its input, then SIGTERM, then SIGKILL, to its whole group; within two seconds.

        Then whoever is left of those whom it started is killed.
        """
        self._end("closed")
        self._idle.set()
        await self._family.look()
        self._stdin.close()
        done, _ = await asyncio.wait((self.exited,), timeout=grace)
        if not done:
            await self._family.look()
            self._signal(signal.SIGTERM)
            await asyncio.wait((self.exited,), timeout=grace)
        await self._family.end()
        # Where that sees nobody: children of the server that outlived it, and itself.
        self._signal(signal.SIGKILL)
        await asyncio.wait((self.exited,), timeout=grace)
        self._transport.close()
        self._stdout.close()
        self.read_stderr()
        self._last_lines.end()
        self._stderr.close()
        for task in (*self._tasks, *([self._finishing] if self._finishing else [])):
            task.cancel()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 # any type
    return msgspec.json.Decoder(shape)
