"""Runs code blocks in a locked child: one request, one answer, on one descriptor. Standard library only.

Nothing here is trusted by the host: every limit and every answer is checked there again.
"""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
import datetime
import decimal
import enum
import errno
import gc
import json
import marshal
import math
import os
import select
import struct
import time
from collections.abc import Callable
from typing import Any

import binder
import check
import guard

#: Captured output beyond this is cut, characters.
_MAX_PRINTED = 1 << 20
#: Characters of an exception's text.
_MAX_MESSAGE = 4000
#: Characters of a tool's name.
_MAX_NAME = 1000
_MAX_DEPTH = 64
#: Values and keys, and lists and objects among them, in what goes to the host: decoding more would hold it up.
_MAX_VALUES, _MAX_CONTAINERS = 500_000, 100_000
_HEADER = struct.Struct("<I")
_CHUNK = 1 << 20
#: What a request begins with; an answer to a tool call begins with a brace.
_REQUEST = b"R"


class ToolError(Exception):
    """A tool call failed; what the host tells of it."""

    def __init__(self, code: str, message: str, retryable: bool, detail: str, number: int) -> None:  # data
        super().__init__(f"{message}: {detail}" if detail else message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.detail = detail
        self._number = number


class ResultError(Exception):
    """A result is not strict JSON."""


class TooMuch(Exception):
    """A result is larger than its limits."""


class Channel:
    """Length-prefixed messages on the child's one descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.calls = 0
        self.answers: dict[int, dict[str, Any]] = {}

    def receive(self) -> bytearray:
        """Return the next message; the host closing the descriptor ends the child."""
        (size,) = _HEADER.unpack(self._exactly(_HEADER.size))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytearray:
        data = bytearray()
        while len(data) < size:
            part = os.read(self.descriptor, min(size - len(data), _CHUNK))
            if not part:
                os._exit(0)
            data += part
        return data

    def send(self, data: bytes) -> None:
        """Send one message."""
        view = memoryview(_HEADER.pack(len(data)) + data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def call(self, name: object, params: object) -> int:
        """Ask the host to call a tool; return the call's number."""
        if not isinstance(name, str):
            raise TypeError("the name of a tool is a string")
        if params is not None and not isinstance(params, dict):
            raise TypeError("the parameters of a tool are a dict")
        try:
            encoded = encode({} if params is None else params, f"parameters of '{_excerpt(name, 80)}'")
        except (ResultError, TooMuch) as error:
            raise TypeError(str(error)) from None
        self.calls += 1
        # No tool has a longer name: the host says so, and names the beginning.
        shown = _whole(_excerpt(name, _MAX_NAME))
        head = json.dumps({"t": "call", "id": self.calls, "name": shown})[:-1]
        self.send(b"".join((head.encode(), b', "params": ', encoded, b"}")))
        return self.calls

    def pump(self) -> int:
        """Read one answer and keep it; return its number."""
        answer = json.loads(self.receive())
        number: int = answer["id"]
        self.answers[number] = answer
        return number

    def result(self, number: int) -> Any:
        """Return what a call gave, once its answer is here; raises `ToolError`."""
        answer = self.answers.pop(number)
        error = answer.get("error")
        if error is None:
            return answer["result"]
        raise ToolError(error["code"], error["message"], error["retryable"], error["detail"], number)


class Loop(asyncio.BaseEventLoop):
    """An event loop over one descriptor: no epoll, no self-pipe, no threads."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._selector = self
        self._channel = channel
        self._pending: dict[int, asyncio.Future[None]] = {}

    def answered(self, number: int) -> asyncio.Future[None]:
        """Return a future that is done when the call's answer is here."""
        future = self._pending[number] = self.create_future()
        return future

    def select(self, timeout: float | None) -> tuple[()]:
        """Wait for an answer or the next timer (asyncio's name)."""
        if not self._pending:
            if timeout is None:
                raise RuntimeError("the code waits for something that can never happen")
            if timeout > 0:
                time.sleep(timeout)
            return ()
        poller = select.poll()
        poller.register(self._channel.descriptor, select.POLLIN)
        if poller.poll(None if timeout is None else math.ceil(max(0.0, timeout) * 1000)):
            future = self._pending.pop(self._channel.pump(), None)
            if future is not None and not future.done():
                future.set_result(None)
        return ()

    def _process_events(self, events: object) -> None:
        """Nothing to do: `select` has done it (asyncio's name)."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread (asyncio's name)."""


class Tools:
    """`context.tools`."""

    __slots__ = ("_call", "_wait")

    def __init__(self, call: Callable[..., Any], wait: Callable[..., Any]) -> None:
        self._call = call
        self._wait = wait

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        """Call a tool and return its data; raises ToolError."""
        return await self._wait(name, params)


class View(dict[str, Any]):
    """A step's result: `.output`, `.status` … and the same as keys."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"a step has no '{name}'; it has {', '.join(self)}") from None


class Steps(dict[str, View]):
    """The results of earlier steps by id."""

    __slots__ = ()

    def __missing__(self, key: str) -> View:
        raise KeyError(f"step '{key}' has no result here; this step waits for {', '.join(self) or 'no other'}")


class Inputs(dict[str, Any]):
    """`inputs`: an optional one that was not given is null by `[]`, and no key."""

    __slots__ = ("absent",)

    absent: list[str]

    def __missing__(self, key: object) -> None:
        if key not in self.absent:
            raise KeyError(key)


class Context:
    """`context`."""

    __slots__ = ("config", "execution_id", "index", "inputs", "item", "steps", "tools")

    inputs: Inputs
    steps: Steps
    config: dict[str, Any]
    execution_id: str
    tools: Tools
    item: Any
    index: int | None


class Output:
    """What `print` and `log` leave behind."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def write(self, text: str) -> int:
        if self.size < _MAX_PRINTED:
            self.parts.append(text[: _MAX_PRINTED - self.size])
            if self.size + len(text) > _MAX_PRINTED:
                self.parts.append("…\n[output cut: more than 1 MiB]\n")
        self.size += len(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def text(self) -> str:
        """Return all of it; half a character becomes a question mark."""
        return _whole("".join(self.parts))

    def print(
        self, *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
    ) -> None:  # print's own signature
        text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
        (self if file is None else file).write(text)

    def log(self, message: object, **fields: object) -> None:
        shown = "".join(f" {key}={value!r}" for key, value in fields.items())
        self.write(f"{message}{shown}\n")


class _Json:
    """`json` as code knows it; `loads` gives back data that is data already."""

    def __init__(self, facade: Any) -> None:
        for name in ("dumps", "dump", "load", "JSONDecodeError", "JSONEncoder", "JSONDecoder"):
            setattr(self, name, getattr(facade, name))

    @staticmethod
    def loads(text: Any, **options: Any) -> Any:
        return text if isinstance(text, list | dict) else json.loads(text, **options)


class Worker:
    """Runs requests of one execution."""

    def __init__(
        self, channel: Channel, allowed: frozenset[str], facades: guard.Facades, world: guard.World, *, guarded: bool
    ) -> None:
        self.channel = channel
        self.allowed = allowed
        self.guarded = guarded
        self.world = world
        self.table = guard.restricted_builtins(facades) if guarded else dict(vars(builtins))

    def serve(self) -> None:
        """Answer requests until the host is done."""
        while True:
            message = self.channel.receive()
            if message[:1] != _REQUEST:
                # An answer to a call that its step did not wait for.
                continue
            (size,) = _HEADER.unpack_from(message, 1)
            blob, request = bytes(message[5 : 5 + size]), json.loads(message[5 + size :])
            if request.get("t") == "check":
                self._check(request)
                continue
            answer = self._run(blob, request)
            # The step's globals and functions hold each other. What is let go may run code of its own (a generator's
            # `finally`): in its step's time, not in the next one's.
            del message, blob, request
            gc.collect()
            self.channel.send(answer)

    def _check(self, request: dict[str, Any]) -> None:
        for block in request["blocks"]:
            facts = check.check_block(block["source"], block["placeholders"], self.allowed, guarded=self.guarded)
            blob = facts.pop("blob")
            self.channel.send(_HEADER.pack(len(blob)) + blob + json.dumps(facts).encode())

    def _run(self, blob: bytes, request: dict[str, Any]) -> bytes:
        output = Output()
        self.channel.calls = 0
        self.channel.answers.clear()
        try:
            uses_loop, code = marshal.loads(blob)
            self.world.begin(request["seed"], request["clock"], request["readings"])
            loop = Loop(self.channel) if uses_loop else None
            names = self._globals(request, output, loop)
            exec(code, names)
            coroutine = names[check.STEP]()
            result = _drive(coroutine) if loop is None else loop.run_until_complete(coroutine)
            encoded = encode(result, "result", request["max_output"])
        except BaseException as error:  # noqa: BLE001 # code may raise anything, and the host decides what it means
            return _failure(error, output.text(), self._clock())
        head = _encode({"t": "done", "printed": output.text(), **self._clock()})[:-1]
        return b"".join((head, b', "result": ', encoded, b"}"))

    def _clock(self) -> dict[str, Any]:
        """Return what a replay needs to know of the real clock."""
        if self.world.clock is not None:
            return {}
        return {"readings": self.world.readings, "clock_lost": self.world.clock_lost}

    def _globals(self, request: dict[str, Any], output: Output, loop: Loop | None) -> dict[str, Any]:
        channel = self.channel

        def call_tool(name: str, params: dict[str, Any] | None = None) -> Any:
            number = channel.call(name, params)
            while number not in channel.answers:
                other = channel.pump()
                waiting = None if loop is None else loop._pending.pop(other, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)
            return channel.result(number)

        async def wait(name: str, params: dict[str, Any] | None) -> Any:
            if loop is None:
                return call_tool(name, params)
            number = channel.call(name, params)
            await loop.answered(number)
            return channel.result(number)

        context = Context()
        context.inputs = Inputs(request["inputs"])
        context.inputs.absent = request["absent"]
        context.steps = Steps({key: View(value) for key, value in request["steps"].items()})
        context.config = request["config"]
        context.execution_id = request["execution_id"]
        context.tools = Tools(call_tool, wait)
        context.item = request["item"].get("item")
        context.index = request["item"].get("index")
        table = dict(self.table)
        table["print"] = output.print
        return {
            **request["item"],
            **request["bindings"],
            "__builtins__": table,
            "__name__": "step",
            "context": context,
            "inputs": context.inputs,
            "steps": context.steps,
            "tools": context.tools,
            "item": context.item,
            "index": context.index,
            "call_tool": call_tool,
            "log": output.log,
            "json": _Json(json),
            "ToolError": ToolError,
            "ael_format__": guard.safe_format,
            binder.TEXT: binder.text,
        }


def _drive(coroutine: Any) -> Any:
    """Run a coroutine that never waits: without asyncio nothing in it can."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("the code waits for something that can never happen")


# -- results ---------------------------------------------------------------------------------------------------------


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _excerpt(text: str, most: int) -> str:
    """Return a text, or its beginning and `…`: by that the host sees where a secret may have been cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def encode(value: object, what: str, limit: int | None = None) -> bytes:
    """Return strict JSON; raises `ResultError` naming the first part that is not, `TooMuch` above a limit."""
    _Strict().check(value, what, 0)
    encoded = _encode(value)
    if limit is not None and len(encoded) > limit:
        raise TooMuch(f"the {what} has {len(encoded)} bytes as JSON, the limit is {limit}")
    return encoded


_HINTS: tuple[tuple[Any, str], ...] = (
    ((datetime.date, datetime.time), "use .isoformat()"),
    (datetime.timedelta, "use .total_seconds()"),
    (decimal.Decimal, "use str() or float()"),
    ((set, frozenset), "use sorted() or list()"),
    ((bytes, bytearray), "use .decode() or base64"),
    (enum.Enum, "use .value"),
    (complex, "use [z.real, z.imag]"),
)


class _Strict:
    """One walk over a value."""

    def __init__(self) -> None:
        self.values = self.containers = 0

    def check(self, value: Any, path: str, depth: int) -> None:  # noqa: C901 # one case for each kind of value
        kind = type(value)
        self.values += 1
        if value is None or kind is bool:
            return
        if kind is str:
            self.text(value, path)
        elif kind is int:
            if not -(2**63) <= value < 2**64:
                raise ResultError(f"{path} is an integer beyond 64 bits; use str()")
        elif kind is float:
            if not math.isfinite(value):
                raise ResultError(f"{path} is {value}, which JSON cannot hold")
        elif isinstance(value, dict):
            self.enter(path, depth, 2 * len(value))
            for key, item in value.items():
                if type(key) is not str:
                    shown = f"{_excerpt(repr(key), 80)} of type {type(key).__name__}"
                    raise ResultError(f"{path} has the key {shown}; JSON keys are strings")
                self.text(key, path)
                self.values += 1
                self.check(item, f"{path}.{_excerpt(key, 80)}", depth + 1)
        elif isinstance(value, list | tuple):
            self.enter(path, depth, len(value))
            for index, item in enumerate(value):
                self.check(item, f"{path}[{index}]", depth + 1)
        elif not (isinstance(value, str | int) and not isinstance(value, enum.Enum)):
            self.refuse(value, path)

    @staticmethod
    def text(value: str, path: str) -> None:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ResultError(f"{path} holds half a character (a lone surrogate)") from None

    def enter(self, path: str, depth: int, size: int) -> None:
        self.containers += 1
        if depth >= _MAX_DEPTH:
            raise ResultError(f"{_excerpt(path, 200)} is nested deeper than {_MAX_DEPTH} levels")
        if self.containers > _MAX_CONTAINERS or self.values + size > _MAX_VALUES:
            raise TooMuch(
                f"a result holds at most {_MAX_VALUES} values, {_MAX_CONTAINERS} lists and objects among them"
            )

    @staticmethod
    def refuse(value: Any, path: str) -> None:
        hint = next((f"; {text}" for kinds, text in _HINTS if isinstance(value, kinds)), "")
        if not hint and dataclasses.is_dataclass(value):
            hint = "; use dataclasses.asdict()"
        raise ResultError(f"{path} is of type {type(value).__name__}, which is not JSON{hint}")


def _failure(error: BaseException, printed: str, clock: dict[str, Any]) -> bytes:
    kind = "runtime"
    number = None
    if isinstance(error, ToolError):
        kind, number = "tool", error._number
    elif isinstance(error, guard.SecurityError):
        kind = "security"
    elif isinstance(error, ResultError):
        kind = "output"
    elif isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, TooMuch):
        kind = "size"
    elif isinstance(error, OSError) and error.errno == errno.EPERM:
        kind = "denied"
    try:
        text = str(error)
        left = len(text) - _MAX_MESSAGE
        if left > 0:
            text = f"{text[:_MAX_MESSAGE]}… ({left} more characters are left out)"
    except BaseException as broken:  # noqa: BLE001 # an exception whose text raises is code's doing
        text = f"(its text raised {type(broken).__name__})"
    answer = {
        "t": "error",
        "kind": kind,
        "type": _excerpt(type(error).__name__, 200),
        "message": _whole(text),
        "line": _line(error),
        "call": number,
        "printed": printed,
        **clock,
    }
    return _encode(answer)


def _line(error: BaseException) -> int | None:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<step>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
