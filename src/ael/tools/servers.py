"""MCP servers: one owner task each, which holds the connection for its whole life.

A server starts when it is first needed and is restarted with backoff when it dies; calls in flight then fail, they
are never repeated here. Above stands the catalog.
"""

from __future__ import annotations

import asyncio
import random
import shlex
import shutil
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from ael.errors import AelError, McpConnectionFailed, ToolFailed, ToolTimeout, ToolUnavailable
from ael.tools import ToolInfo, ToolRef
from ael.tools.client import CallResult, McpClient
from ael.tools.jsonrpc import InvalidAnswer, OnProgress, PeerGone, PeerTimeout, RpcError
from ael.tools.stdio import ProcessPeer

Status = Literal["stopped", "starting", "ready", "restarting", "failed", "disabled"]

#: Restarts wait so long at first and at most, seconds; a server that died this often in a row has failed.
_FIRST_BACKOFF, _LONGEST_BACKOFF, _MOST_RESTARTS = 0.1, 5.0, 5

#: Seconds in which changes count as one.
_TOLD_AFTER = 0.05


#: HTTP statuses of a client's error after which trying again may help; other 4xx say no.
RETRYABLE_STATUS = frozenset({408, 425, 429})

#: Codes of JSON-RPC for a request that is wrong as it stands.
_WRONG_REQUEST = frozenset({-32700, -32600, -32601, -32602})

#: What servers answer to a POST that they do not know.
_NOT_STREAMABLE = frozenset({400, 404, 405, 415})


class ToolFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tools of a server are offered; patterns with `*`."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is reached; exactly one of `command` and `url`. Times in seconds."""

    #: Split like a shell would, without a shell.
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    transport: Literal["stdio", "http", "sse"] | None = None
    #: Of one call; None: `execution.step_timeout`.
    timeout: float | None = None
    startup_timeout: float = 20.0
    enabled: bool = True
    tools: ToolFilter = ToolFilter()
    prefix: str = ""
    max_result_bytes: int = 32 * 1024 * 1024
    max_concurrency: int = 16


class Changes:
    """Tells of changes, once for many of them that come in a storm."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[], None]] = {}
        self._due: asyncio.TimerHandle | None = None

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Add a listener; return what removes it."""
        key = object()
        self._listeners[key] = on_change

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    def tell(self) -> None:
        """Call every listener within a moment."""
        if self._listeners and self._due is None:
            self._due = asyncio.get_running_loop().call_later(_TOLD_AFTER, self._call)

    def _call(self) -> None:
        self._due = None
        for listener in tuple(self._listeners.values()):
            listener()


class ToolSource(Protocol):
    """Something that offers tools: a server, or a fake."""

    name: str

    async def tools(self) -> list[ToolInfo]:
        """Return what is offered, starting what must run for it; raises `McpConnectionFailed`."""
        ...

    async def call(
        self,
        tool: str,
        params: dict[str, Any],
        *,
        timeout_seconds: float | None,
        meta: dict[str, Any],
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """Call a tool by its own name; raises `ToolTimeout`, `ToolUnavailable` or `ToolFailed`."""
        ...

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Have a function called soon after what is offered may have changed; return what ends that."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class McpServer:
    """A server that is a process, or is reached by a URL; implements `ToolSource`."""

    def __init__(self, name: str, config: ServerConfig, default_timeout: float = 30.0) -> None:
        self.name = name
        self.config = config
        self.status: Status = "stopped" if config.enabled else "disabled"
        #: Why it failed.
        self.reason = ""
        #: Tools that were left out, and why.
        self.broken: dict[str, str] = {}
        self._timeout = config.timeout or default_timeout
        self._owner: asyncio.Task[None] | None = None
        self._client: McpClient | None = None
        self._failure: AelError | None = None
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._stderr: Callable[[], list[str]] = list
        self._tools: list[ToolInfo] | None = None
        self._listing = asyncio.Lock()
        self._changes = Changes()
        #: Deaths since it last answered a call.
        self._restarts = 0
        self._calls = asyncio.Semaphore(config.max_concurrency)

    # -- the Protocol -------------------------------------------------------------------------------------------

    async def tools(self) -> list[ToolInfo]:
        """See `ToolSource.tools`."""
        async with self._listing:
            if self._tools is None:
                client = await self._ready(self.config.startup_timeout)
                try:
                    listed = await client.list_tools(self._timeout)
                except (RpcError, PeerGone, PeerTimeout, InvalidAnswer) as error:
                    raise self._failed(f"it does not list its tools: {_words(error)}") from error
                self._tools = self._offered(listed)
            return self._tools

    async def call(
        self,
        tool: str,
        params: dict[str, Any],
        *,
        timeout_seconds: float | None,
        meta: dict[str, Any],
        on_progress: OnProgress | None = None,
    ) -> CallResult:
        """See `ToolSource.call`."""
        seconds = timeout_seconds or self._timeout
        try:
            async with asyncio.timeout(seconds):
                await self._calls.acquire()
                try:
                    client = await self._ready(seconds)
                    result = await client.call_tool(
                        tool, params, timeout_seconds=seconds, meta=meta, on_progress=on_progress
                    )
                    self._restarts = 0
                    return result
                finally:
                    self._calls.release()
        except (PeerTimeout, TimeoutError) as error:
            raise ToolTimeout(
                f"server '{self.name}' did not answer in time; the call was cancelled there",
                tool_name=tool,
                timeout_seconds=f"{seconds:g}",
            ) from error
        except PeerGone as error:
            raise ToolUnavailable(
                f"server '{self.name}' went away: {error}{self._last_words()}", tool_name=tool
            ) from error
        except InvalidAnswer as error:
            raise ToolFailed(f"server '{self.name}': {error}", tool_name=tool, retryable=False) from error
        except RpcError as error:
            raise ToolFailed(
                f"{error.message} (code {error.code})", tool_name=tool, retryable=_may_retry(error)
            ) from error

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """See `ToolSource.subscribe`: told of a changed list, of a server that is ready and of one that is not."""
        return self._changes.subscribe(on_change)

    async def close(self) -> None:
        """See `ToolSource.close`."""
        self._stop.set()
        if self._owner is not None:
            await self._owner

    # -- life ---------------------------------------------------------------------------------------------------

    def stderr(self) -> list[str]:
        """Return the last lines of the server's standard error."""
        return self._stderr()

    async def _ready(self, seconds: float) -> McpClient:
        """Return the connection, starting the server or waiting for its restart; raises `McpConnectionFailed`."""
        if self.status == "disabled":
            raise ToolUnavailable(
                f"server '{self.name}' is disabled",
                suggestion="Set `enabled: true`.",
                retryable=False,
                tool_name=self.name,
            )
        if self._owner is None or (self._owner.done() and not self._stop.is_set()):
            self._failure = None
            self._owner = asyncio.get_running_loop().create_task(self._own(), name=f"mcp server {self.name}")
        async with asyncio.timeout(seconds + 1):
            while self._client is None or self._client.peer.ended is not None:
                if self._failure is not None:
                    raise self._failure
                self._changed.clear()
                await self._changed.wait()
        return self._client

    async def _own(self) -> None:
        """Start the server, hold its connection, restart it when it dies, stop it in the end."""
        self._restarts = 0
        while not self._stop.is_set():
            self._set("restarting" if self._restarts else "starting")
            try:
                self._client = await self._open()
            except (OSError, RpcError, PeerGone, PeerTimeout, InvalidAnswer) as error:
                self._failure = self._explain(error)
                self.reason = self._failure.detail
                self._set("failed")
                return
            self._tools = None if self._restarts else self._tools
            self._set("ready")
            stopping = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait((self._client.peer.gone, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            await self._client.close()
            if self._stop.is_set():
                break
            self._restarts += 1
            if self._restarts > _MOST_RESTARTS:
                self._failure = self._failed(f"it died {self._restarts} times in a row")
                self._set("failed")
                return
            self._set("restarting")
            pause = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**self._restarts)
            await _either(self._stop, pause * (0.5 + random.random() / 2))  # noqa: S311 # jitter, no secret
        self._set("stopped")

    def _set(self, status: Status) -> None:
        self.status = status
        self._changed.set()
        self._changes.tell()

    async def _open(self) -> McpClient:
        config = self.config
        # A result is a part of a message: the frame around it needs some room.
        max_message = config.max_result_bytes + 64 * 1024
        if config.url is not None:
            return await self._open_url(config.url, max_message)
        peer = await ProcessPeer.spawn(
            [*shlex.split(config.command or ""), *config.args],
            env=dict(config.env),
            cwd=config.cwd,
            max_message=max_message,
            on_notification=self._on_notification,
        )
        self._stderr = peer.stderr
        return await McpClient.open(peer, config.startup_timeout)

    async def _open_url(self, url: str, max_message: int) -> McpClient:
        """Connect by streamable HTTP; a server that does not know it may be of the time of SSE (MCP, transports)."""
        from ael.tools.http import HttpPeer, Transport  # noqa: PLC0415 # a second to import, for those who need it

        async def connect(transport: Transport) -> McpClient:
            peer = await HttpPeer.connect(
                url,
                transport,
                headers=self.config.headers,
                max_message=max_message,
                startup_seconds=self.config.startup_timeout,
                on_notification=self._on_notification,
            )
            return await McpClient.open(peer, self.config.startup_timeout)

        if self.config.transport == "sse":
            return await connect("sse")
        try:
            return await connect("http")
        except RpcError as refused:
            status = refused.data.get("status") if isinstance(refused.data, dict) else None
            if self.config.transport == "http" or status not in _NOT_STREAMABLE:
                raise
            try:
                return await connect("sse")
            except (RpcError, PeerGone, PeerTimeout, InvalidAnswer):
                raise refused from None

    def _on_notification(self, method: str, params: dict[str, Any]) -> None:
        if method == "notifications/tools/list_changed":
            self._tools = None
            self._changes.tell()

    def _explain(self, error: Exception) -> AelError:
        """Say why a server did not start: command or URL, cause, last words."""
        if self.config.url is not None:
            return self._explain_url(error, self.config.url)
        command = " ".join([self.config.command or "", *self.config.args])
        if isinstance(error, FileNotFoundError):
            program = (shlex.split(self.config.command or "") or [""])[0]
            missing = f"the directory {self.config.cwd}" if shutil.which(program) else f"the command '{program}'"
            return self._failed(f"{missing} does not exist", "Install it, or correct the configuration.")
        why = self._late(error) or _words(error)
        return self._failed(f"{why} (command: {command}){self._last_words()}")

    def _explain_url(self, error: Exception, url: str) -> AelError:
        why = f"{self._late(error) or _words(error)} (url: {url})"
        refused = error.data if isinstance(error, RpcError) else None
        if isinstance(refused, dict) and refused.get("status") in {401, 403}:
            return self._failed(why, "Set what it asks for under `headers`, such as Authorization: Bearer ${TOKEN}.")
        return self._failed(why, "Check that the URL is right and that the server is up.")

    def _late(self, error: Exception) -> str:
        return f"it did not answer within {self.config.startup_timeout:g}s" if isinstance(error, PeerTimeout) else ""

    def _failed(self, why: str, suggestion: str = "") -> McpConnectionFailed:
        hint = suggestion or "Run the command by hand to see what it says."
        return McpConnectionFailed(f"server '{self.name}': {why}", suggestion=hint)

    def _last_words(self) -> str:
        lines = [line for line in self._stderr() if line.strip()][-5:]
        return "; it wrote: " + " | ".join(line.strip()[:300] for line in lines) if lines else ""

    # -- tools --------------------------------------------------------------------------------------------------

    def _offered(self, listed: list[dict[str, Any]]) -> list[ToolInfo]:
        """Return the tools that can be used; the others are noted in `broken`."""
        self.broken = {}
        found: list[ToolInfo] = []
        for tool in listed:
            name = tool.get("name")
            if not isinstance(name, str) or not name or len(name) > 256:
                self.broken[str(name)[:80]] = "its name is not text"
                continue
            schema, output = tool.get("inputSchema"), tool.get("outputSchema")
            problem = _schema_problem(schema) or (_schema_problem(output) if output is not None else None)
            if problem:
                self.broken[name] = problem
                continue
            if why := _unavailable(tool):
                self.broken[name] = why
                continue
            annotations = tool.get("annotations")
            hints = annotations if isinstance(annotations, dict) else {}
            description = tool.get("description")
            found.append(
                ToolInfo(
                    ref=ToolRef(self.name, name),
                    description=description if isinstance(description, str) else "",
                    input_schema=schema or {},
                    output_schema=output,
                    definition=tool,
                    repeatable=bool(hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True),
                )
            )
        return found


def _schema_problem(schema: object) -> str | None:
    if not isinstance(schema, dict):
        return "its schema is not an object"
    if schema.get("type", "object") != "object":
        return f"its schema is of type {schema.get('type')!r}, not object"
    return None


def _unavailable(tool: dict[str, Any]) -> str:
    """Return what the native tools say about one that needs something which is not set."""
    meta = tool.get("_meta")
    said = meta.get("ael/unavailable") if isinstance(meta, dict) else None
    return said[:400] if isinstance(said, str) else ""


def _words(error: Exception) -> str:
    if isinstance(error, RpcError):
        return f"it answered: {error.message}"
    if isinstance(error, PeerTimeout):
        return "it did not answer in time"
    return str(error) or type(error).__name__


def _may_retry(error: RpcError) -> bool:
    """Return whether the same request may succeed later: not when it is wrong, or refused for good."""
    status = error.data.get("status") if isinstance(error.data, dict) else None
    if isinstance(status, int):
        return status in RETRYABLE_STATUS or status >= 500
    return error.code not in _WRONG_REQUEST


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but not longer than so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
