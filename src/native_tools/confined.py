"""Work on hostile documents in a process of its own: it may take so much time and memory, then it is killed.

Such a call costs a process (some 60 ms): a library in C that reads what anybody wrote may crash, loop or swell, and a
stylesheet's selector on a deep page takes hours, and the server must not.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec

from native_tools.tool import ToolError

#: Less than a tool step has by default, so that who waits learns the reason.
SECONDS = 20
MEMORY = 1024 * 1024 * 1024
_MOST_ANSWER = 32 * 1024 * 1024


async def run(request: dict[str, Any]) -> dict[str, Any]:
    """Have `extractor` do something; raises `ToolError` for what it says, and when it does not come to an end."""
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
