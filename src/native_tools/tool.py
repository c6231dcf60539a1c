"""What a tool is, and how it fails. Everything above lists and calls these; every tool module makes some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from native_tools.environment import Environment

#: A JSON Schema.
Schema = dict[str, Any]
Arguments = dict[str, Any]
Result = dict[str, Any]

#: Arguments were checked against the input schema; the result is to fit the output schema. A call is cancelled as a
#: task is. Raises `ToolError` and nothing else.
Run = Callable[[Arguments, Environment], Awaitable[Result]]


class ToolError(Exception):
    """A call that failed: the message tells an agent what is wrong and what to do.

    `retryable` says whether the same call may succeed later, `retry_after` in how many seconds at the earliest, where
    a server said so; `status` is that of HTTP, where there was one.
    """

    def __init__(
        self, message: str, *, retryable: bool = False, retry_after: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status


class Hints(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a client may think of a tool before it calls it (MCP, tool annotations)."""

    #: It changes nothing.
    read_only_hint: bool
    #: It may overwrite or delete what is there.
    destructive_hint: bool
    #: The same call twice does no more than once.
    idempotent_hint: bool
    #: It reaches beyond this machine.
    open_world_hint: bool


#: Reads files or computes; may be repeated.
READS = Hints(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
#: Reads what is elsewhere.
READS_ELSEWHERE = Hints(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


def always(_: Environment) -> str:
    """Say that a tool needs nothing (see `Tool.unavailable`)."""
    return ""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool. Its schemas are closed objects, with a description for each property."""

    name: str
    title: str
    description: str
    input_schema: Schema
    output_schema: Schema
    annotations: Hints
    run: Run
    #: Why it cannot be used and what to set; empty when it can.
    unavailable: Callable[[Environment], str] = always


def closed(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """Return the schema of an object that has these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
