"""Work on hostile documents in a process of its own: it may take so much time and memory, then it is killed.

Such a call costs a process (some 60 ms): a library in C that reads what anybody wrote may crash, loop or swell, and a
stylesheet's selector on a deep page takes hours, and the server must not.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from native_tools.tool import ToolError

#: Less than a tool step has by default, so that who waits learns the reason.
SECONDS = 20
MEMORY = 1024 * 1024 * 1024
_MOST_ANSWER = 32 * 1024 * 1024

#: Processes at the same time: more would share the same processors, and take as much memory each.
MOST = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

#: Calls that wait for one of them, each with its document in memory, and the seconds that they do.
MOST_WAITING, PATIENCE = 4 * MOST + 16, 10.0


class _Turns:
    """Who may have a process, and who waits for one."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MOST)
        self._waiting = 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; raises `ToolError`."""
        if self._free.locked() and self._waiting >= MOST_WAITING:
            raise ToolError(
                f"{MOST} documents are worked on, and {self._waiting} wait. Try again later.", retryable=True
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError as error:
            busy = f"{MOST} documents are worked on, and none of them was done within {PATIENCE:g} seconds"
            raise ToolError(f"{busy}. Try again later.", retryable=True) from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


#: One for each event loop, which is one for each server.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


async def run(request: dict[str, Any]) -> dict[str, Any]:
    """Have `extractor` do something; raises `ToolError` for what it says, and when it does not come to an end."""
    loop = asyncio.get_running_loop()
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = _Turns()
    async with turns.taken():
        return await _run(request)


async def _run(request: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "native_tools.extractor",
        str(SECONDS),
        str(MEMORY),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(SECONDS):
            answer = await _exchange(process, msgspec.msgpack.encode(request))
            await process.wait()
    except TimeoutError as error:
        raise _too_slow() from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _understood(answer, process.returncode or 0)


def _too_slow() -> ToolError:
    return ToolError(f"this takes longer than {SECONDS} seconds. Give less: fewer pages, a narrower question.")


async def _exchange(process: asyncio.subprocess.Process, request: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request)
    try:
        await process.stdin.drain()
        process.stdin.close()
    except ConnectionError:
        # It is gone already; how it ended says why.
        return b""
    parts: list[bytes] = []
    size = 0
    while part := await process.stdout.read(1 << 16):
        size += len(part)
        if size > _MOST_ANSWER:
            raise ToolError(f"this gives more than {_MOST_ANSWER} bytes.")
        parts.append(part)
    return b"".join(parts)


def _understood(answer: bytes, code: int) -> dict[str, Any]:
    try:
        told = msgspec.msgpack.decode(answer, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError) as error:
        if code in {-24, -9}:
            # SIGXCPU: its processor time is used up.
            raise _too_slow() from error
        raise ToolError("this cannot be done: it took too much memory, or crashed.") from error
    if "error" in told:
        raise ToolError(str(told["error"]))
    result: dict[str, Any] = told["result"]
    return result
