"""Fuzzes the sandbox's two inputs for as long as it is told: frames that a child could send, and code under the guard.

    uv run python tests/fuzz/sandbox.py [--minutes N] [--seed N]

Any finding ends it with the input that shows it. The tests run the same targets for a moment.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import socket
import struct
import sys
import time

import msgspec

from ael.errors import AelError
from ael.sandbox.contract import CodeFailure, CodeRequest, CodeSource, Limits, PackageSet
from ael.sandbox.pool import KernelSandbox
from ael.sandbox.wire import OVERHEAD, ChildGone, Connection, WireError, decode_message
from ael.values import check

LIMITS = Limits(timeout_seconds=2, max_memory=128 << 20, max_output=1 << 16)


class Finding(Exception):
    """The target did what it must never do."""


# -- frames ----------------------------------------------------------------------------------------------------------

_SEEDS: list[dict[str, object]] = [
    {"t": "done", "printed": "x", "result": {"a": [1, None, "é"]}},
    {"t": "call", "id": 1, "name": "tool", "params": {"a": 1}},
    {"t": "error", "kind": "runtime", "type": "E", "message": "m", "printed": "", "line": 3, "call": None},
]


def _mutated(chance: random.Random) -> bytes:
    """Return a message that an honest child sends, damaged a little or a lot."""
    message = dict(chance.choice(_SEEDS))
    for _ in range(chance.randrange(3)):
        key = chance.choice([*message, "t", "__class__", "id", "result"])
        message[key] = chance.choice([None, -1, 2**70, 1e308, "", "x" * 9000, [], {}, [[[[]]]], "done", "\ud800", True])
    body = bytearray(json.dumps(message).encode())
    for _ in range(chance.choice([0, 0, 1, 3, 30])):
        place = chance.randrange(len(body) + 1)
        match chance.randrange(4):
            case 0:
                body[place:place] = chance.randbytes(chance.randrange(1, 9))
            case 1:
                del body[place : place + chance.randrange(1, 9)]
            case 2:
                body[place:place] = body[: chance.randrange(1, len(body) + 1)]
            case _:
                body[place : place + 1] = chance.choice([b"[", b"{", b'"', b"\\", b"\xff", b"NaN", b"1e999", b"\x00"])
    # Three of them fit into a socket's buffer.
    return bytes(body[:30_000])


async def one_conversation(chance: random.Random) -> bytes:
    """Feed damaged frames to the host's end; return what was sent."""
    ours, theirs = socket.socketpair()
    frames = [_mutated(chance) for _ in range(chance.randrange(1, 4))]
    sizes = [len(body) if chance.random() < 0.8 else chance.choice([0, 1, 2**31, 2**32 - 1]) for body in frames]
    data = b"".join(struct.pack("<I", size) + body for size, body in zip(sizes, frames, strict=True))
    data = data[: chance.randrange(len(data) + 1)] if chance.random() < 0.2 else data
    theirs.sendall(data)
    theirs.close()
    connection = Connection(ours)
    try:
        while True:
            message, result = await decode_message(
                await connection.receive(LIMITS.max_output + OVERHEAD), LIMITS.max_output
            )
            check(result)
            assert len(msgspec.json.encode(result)) <= LIMITS.max_output * 2, message
    except (WireError, ChildGone):
        return data
    except Exception as error:
        raise Finding(f"{error!r} for {base64.b64encode(data).decode()}") from error
    finally:
        connection.close()


# -- code ------------------------------------------------------------------------------------------------------------

_ATOMS = [
    *("json", "inputs", "steps", "str", "int", "type", "object", "getattr", "super", "print", "len", "math", "re"),
    *("random", "datetime", "f", "x", "self", "'{0.__class__}'", "'__globals__'", "()", "[]", "{}", "1", "b'x'", "''"),
    *("Exception", "operator.attrgetter", "functools.reduce", "lambda: 0", "call_tool", "tools", "context", "log"),
]
_NAMES = [
    *(
        "__class__",
        "__globals__",
        "__subclasses__",
        "__init__",
        "__dict__",
        "__reduce_ex__",
        "__builtins__",
        "gi_frame",
    ),
    *("format", "format_map", "mro", "real", "items", "dumps", "loads", "call", "output", "_channel", "__self__", "x"),
]


def _expression(chance: random.Random, depth: int = 0) -> str:
    if depth > 3 or chance.random() < 0.25:
        return chance.choice(_ATOMS)
    inner = [_expression(chance, depth + 1) for _ in range(3)]
    return chance.choice([
        f"({inner[0]}).{chance.choice(_NAMES)}",
        f"({inner[0]})({inner[1]})",
        f"({inner[0]})[{inner[1]}]",
        f"getattr({inner[0]}, {chance.choice([repr(name) for name in _NAMES])})",
        f"[{inner[0]} for x in ({inner[1]})]",
        f"({inner[0]} if {inner[1]} else {inner[2]})",
        f"(lambda *a, **k: {inner[0]})({inner[1]})",
        f"f'{{{inner[0].replace(chr(39), chr(34))}}}'",
        f"({inner[0]}) + ({inner[1]})",
    ])  # fmt: skip


def _statement(chance: random.Random) -> str:
    one, two, name = _expression(chance), _expression(chance), chance.choice(_NAMES)
    forms = [
        f"x = {one}",
        f"try:\n    x = {one}\nexcept BaseException as f:\n    x = {two}",
        f"match {one}:\n    case object({name}=f):\n        x = f",
        f"class C:\n    {name} = {one}\nx = C()",
        f"def f(self=1, *x):\n    yield {one}\nx = f()",
        f"with {one} as x:\n    x = {two}",
        f"for x in {one}:\n    break",
    ]
    return chance.choice(forms)


def _program(chance: random.Random) -> str:
    lines = ["import math, re, random, datetime, operator, functools"]
    lines += [_statement(chance) for _ in range(chance.randrange(1, 4))]
    lines.append(f"return repr({_expression(chance)})[:200]")
    return "\n".join(lines)


async def one_program(sandbox: KernelSandbox, chance: random.Random) -> str:
    """Check a program, and run it when the guard lets it; return the program."""
    source = _program(chance)

    async def call(name: str, params: object) -> str:
        return name

    try:
        (facts,) = await sandbox.check(PackageSet(), [CodeSource(step_id="s", source=source)])
        if facts.problems or not facts.blob:
            return source
        async with sandbox.session("fuzz", PackageSet()) as session:
            done = await session.run(CodeRequest(blob=facts.blob, limits=LIMITS), call)
    except CodeFailure as failure:
        error = failure.error
        if not isinstance(error, AelError):
            raise Finding(f"{error!r} for:\n{source}") from failure
        if "forbidden system call" in error.detail or error.code == "CODE_CRASHED":
            raise Finding(f"the guard let through what the kernel stopped: {error}\n{source}") from failure
        return source
    except Exception as error:
        raise Finding(f"{error!r} for:\n{source}") from error
    if any(sign in str(done.result) for sign in ("'__builtins__'", "built-in function open", "<frame", "<code")):
        raise Finding(f"code reached {done.result}\n{source}")
    return source


# -- running ---------------------------------------------------------------------------------------------------------


async def fuzz(seed: int, *, frames: int, programs: int) -> None:
    """Run so many of each; raises `Finding`."""
    chance = random.Random(seed)  # to be repeated
    for _ in range(frames):
        await one_conversation(chance)
    sandbox = KernelSandbox()
    try:
        for _ in range(programs):
            await one_program(sandbox, chance)
    finally:
        await sandbox.close()


def main() -> None:
    """Run until the time is over or something is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    given = parser.parse_args()
    end = time.monotonic() + given.minutes * 60
    seed, rounds = given.seed, 0
    while time.monotonic() < end:
        try:
            asyncio.run(fuzz(seed, frames=2000, programs=200))
        except Finding as finding:
            print(f"seed {seed}: {finding}")
            sys.exit(1)
        seed, rounds = seed + 1, rounds + 1
    print(f"{rounds} rounds of 2000 conversations and 200 programs, nothing found")


if __name__ == "__main__":
    main()
