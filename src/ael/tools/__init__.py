"""OUTSIDE: every tool that a workflow can call, and the one way to call it.

    catalog      names → ToolRef; what the connected servers offer
    gateway      the choke point: scope → schema → record → call → record
    last_seen    names of servers that may be down
    pins         definitions as they were accepted
    schemas      values against schemas that may describe a check without end
    servers      one owner task per MCP server: start, restart, stop
    offers       what a server lists, the usable tools apart from the broken
    connections  how a server is reached, and why it could not be
    client       an MCP session, in both protocol eras
    jsonrpc      requests and answers, whatever carries them
    stdio        carries them as lines of a process (lines), whose last words are kept (stderr)
    http         carries them over HTTP, by the SDK (bodies of answers: http_bodies)
    scripted     a tool source that answers from a script, for tests

Above stand the steps; the recorder is handed in, so this room knows no journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec

from ael.errors import ErrorRecord
from ael.values import JSONValue


class ToolRef(msgspec.Struct, frozen=True):
    """A tool and the server that offers it."""

    server: str
    name: str

    def __str__(self) -> str:
        return f"{self.server}__{self.name}"


class ToolInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says about a tool, validated."""

    ref: ToolRef
    description: str = ""
    input_schema: dict[str, JSONValue] = {}
    output_schema: dict[str, JSONValue] | None = None
    #: From the tool's annotations: safe to repeat after a crash.
    repeatable: bool = False
    #: The tool object as the server lists it, unchanged: with title, annotations, icons and `_meta`.
    definition: dict[str, JSONValue] = {}


class ToolCallStarted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The gateway is about to call; handed to the recorder before anything is sent."""

    call: int
    tool: str
    resolved: str
    params: JSONValue
    #: False: the start must be durable before the call is sent.
    repeatable: bool


class ToolCallEnded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The call is over, one way or the other."""

    call: int
    tool: str
    duration_ms: float
    result: JSONValue = None
    error: ErrorRecord | None = None


Recorder = Callable[[ToolCallStarted | ToolCallEnded], Awaitable[None]]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A server's answer that is an error of the protocol, not a result."""

    code: int
    message: str
    data: JSONValue = None


class CallContext(msgspec.Struct, kw_only=True):
    """On whose behalf a tool is called; one per step attempt."""

    #: Names and patterns that the workflow may call.
    scope: tuple[str, ...]
    record: Recorder
    #: execution/step/item, the idempotency key without the call's number.
    key: str
    attempt: int = 1
    principal: str = "local"
    #: Seconds for each call; None: the server's own.
    timeout_seconds: float | None = None
    #: "code" for calls out of code steps, which may not call python_exec.
    origin: Literal["step", "code"] = "step"
    #: Resolutions of this execution, shared by its steps: a bare name keeps its meaning.
    resolved: dict[str, ToolRef] = {}
    #: Told of the calls' progress: how far, of how much, in words.
    on_progress: Callable[[float, float | None, str | None], None] | None = None
    #: Told of each answer as the server gave it, also of one that is an error.
    on_result: Callable[[dict[str, JSONValue] | Refusal], None] | None = None
    #: Calls made so far in this attempt; the gateway counts.
    calls: int = 0


class ToolGateway(Protocol):
    """The one way to a tool."""

    async def call(self, name: str, params: dict[str, JSONValue], context: CallContext) -> JSONValue:
        """Call a tool and return its data.

        Raises ToolRejected, ToolUnavailable, McpConnectionFailed, ParamInvalid, ToolTimeout, ToolFailed or
        OutputInvalid.
        """
        ...
