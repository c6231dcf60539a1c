"""Zygotes and their children, seen from the host: start, fork, kill, reap.

A zygote is a process that has imported what code may import and has locked itself down (`child/zygote.py`). It forks
children on request and hands back a socket and a pidfd. Above stands the pool.
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import signal
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import Any

from ael.errors import SandboxUnavailable
from ael.sandbox.contract import PackageSet
from ael.sandbox.spawn import ZygoteProcess, spawn
from ael.sandbox.wire import Connection

#: Seconds that a zygote may take to say that it is ready.
_START_LIMIT = 30.0


class ZygoteGone(Exception):
    """The zygote died; whoever waited for it tries another."""


class Child:
    """One locked process."""

    def __init__(self, zygote: Zygote, pid: int, sock: socket.socket, pidfd: int, memory: int) -> None:
        self.zygote = zygote
        self.pid = pid
        self.connection = Connection(sock)
        self.memory = memory
        self._pidfd = pidfd
        self._alive = True

    def kill(self) -> None:
        """Kill and forget the child; idempotent."""
        if self._signal():
            self.zygote.post(b"R" + struct.pack("<i", self.pid), None)

    async def cause_of_death(self, patience: float = 0.2) -> int:
        """Return the wait status of a child that closed its end, killing it when it lives on."""
        if not self._alive:
            return 0
        loop = asyncio.get_running_loop()
        dead: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._pidfd, _settle, dead)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(dead, patience)
        finally:
            loop.remove_reader(self._pidfd)
        if not self._signal():
            return 0
        answer: asyncio.Future[bytes] = loop.create_future()
        self.zygote.post(b"R" + struct.pack("<i", self.pid), answer)
        try:
            (status,) = struct.unpack_from("<i", await answer)
        except ZygoteGone:
            return int(signal.SIGKILL)
        return int(status)

    def _signal(self) -> bool:
        if not self._alive:
            return False
        self._alive = False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self.connection.close()
        os.close(self._pidfd)
        return True


class Zygote:
    """One zygote process of one set of packages."""

    def __init__(
        self,
        packages: PackageSet,
        process: ZygoteProcess | None = None,
        *,
        guarded: bool = True,
        skip: tuple[str, ...] = (),
    ) -> None:
        self._process = process or spawn(packages.profile, packages.additional, guarded=guarded, skip=skip)
        self._control = self._process.control
        self._answers: deque[asyncio.Future[bytes] | tuple[int, asyncio.Future[Child]] | None] = deque()
        self._outbox: deque[bytes] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.alive = True
        self.layers: tuple[str, ...] = ()
        #: Layer → why it is not in force.
        self.absent: dict[str, str] = {}
        #: Modules that are not installed.
        self.missing: tuple[str, ...] = ()

    async def ready(self) -> None:
        """Wait until the zygote is locked; raises `SandboxUnavailable`."""
        self._loop = asyncio.get_running_loop()
        self._control.setblocking(False)
        try:
            async with asyncio.timeout(_START_LIMIT):
                report = await self._loop.sock_recv(self._control, 1 << 16)
            told: dict[str, Any] = json.loads(report) if report else {"problem": "its process ended at once"}
        except (TimeoutError, ValueError, OSError) as error:
            told = {"problem": f"its process did not start: {error!r}"}
        if told.get("problem"):
            self.close()
            raise SandboxUnavailable(
                f"code steps need seccomp, and {told['problem']}",
                suggestion="Run on Linux with seccomp; `ael doctor` shows the layers.",
            )
        self.layers = ("seccomp", *(name for name, reason in told["layers"].items() if not reason))
        self.absent = {name: reason for name, reason in told["layers"].items() if reason}
        self.missing = tuple(told["missing"])
        self._loop.add_reader(self._control.fileno(), self._on_answer)

    def fork(self, memory: int) -> asyncio.Future[Child]:
        """Ask for a child; the future fails with `ZygoteGone`."""
        assert self._loop is not None
        wanted: asyncio.Future[Child] = self._loop.create_future()
        self.post(b"F" + struct.pack("<Q", memory), (memory, wanted))
        return wanted

    def post(self, message: bytes, answer: asyncio.Future[bytes] | tuple[int, asyncio.Future[Child]] | None) -> None:
        """Send a request whose answer goes to `answer`; never waits."""
        if not self.alive:
            _fail(answer)
            return
        self._answers.append(answer)
        self._outbox.append(message)
        if len(self._outbox) == 1:
            self._flush()

    def _flush(self) -> None:
        assert self._loop is not None
        try:
            while self._outbox:
                self._control.send(self._outbox[0])
                self._outbox.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._control.fileno(), self._flush)
            return
        except OSError:
            self._gone()
            return
        self._loop.remove_writer(self._control.fileno())

    def _on_answer(self) -> None:
        try:
            data, rights, _, _ = self._control.recvmsg(64, socket.CMSG_SPACE(8))
        except BlockingIOError:
            return
        except OSError:
            data, rights = b"", []
        if not data or not self._answers:
            self._gone()
            return
        waiting = self._answers.popleft()
        if isinstance(waiting, tuple):
            self._deliver(data, rights, *waiting)
        elif waiting is not None and not waiting.done():
            waiting.set_result(data)

    def _deliver(
        self, data: bytes, rights: list[tuple[int, int, bytes]], memory: int, wanted: asyncio.Future[Child]
    ) -> None:
        descriptors = array.array("i")
        for _, _, raw in rights:
            descriptors.frombytes(raw[: len(raw) - len(raw) % descriptors.itemsize])
        if len(descriptors) != 2 or len(data) != 4:
            for descriptor in descriptors:
                os.close(descriptor)
            self._answers.appendleft((memory, wanted))
            self._gone()
            return
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=descriptors[0])
        child = Child(self, struct.unpack("<i", data)[0], sock, descriptors[1], memory)
        if wanted.done():
            child.kill()
        else:
            wanted.set_result(child)

    def _gone(self) -> None:
        if self.alive:
            self.close()

    def close(self) -> None:
        """Kill the zygote, and with it its children; whoever waits is told."""
        self.alive = False
        if self._loop is not None and self._control.fileno() >= 0 and not self._loop.is_closed():
            self._loop.remove_reader(self._control.fileno())
            self._loop.remove_writer(self._control.fileno())
        self._control.close()
        self._process.stop()
        while self._answers:
            _fail(self._answers.popleft())


def _settle(dead: asyncio.Future[None]) -> None:
    if not dead.done():
        dead.set_result(None)


def _fail(answer: asyncio.Future[bytes] | tuple[int, asyncio.Future[Child]] | None) -> None:
    future = answer[1] if isinstance(answer, tuple) else answer
    if future is not None and not future.done():
        future.set_exception(ZygoteGone())
