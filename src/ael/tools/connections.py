"""How a server is reached: by its command or its URL, in the era that it spoke before; and why it could not be.

Above stands the owner of the connection, which asks again when it has ended.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import math
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from ael.errors import McpConnectionFailed
from ael.observe.secret_forms import mask_command, mask_url
from ael.tools.client import Era, McpClient
from ael.tools.jsonrpc import InvalidAnswer, Notify, PeerGone, PeerTimeout, RpcError
from ael.tools.keeper import Keeper
from ael.tools.stderr import LastLines, visible
from ael.tools.stdio import ProcessPeer
from ael.values import JSONValue, beginning, shortened

#: What a server answers to a POST that it does not know.
_NOT_STREAMABLE = frozenset({400, 404, 405, 415})

#: What to do about a server that says too little.
BY_HAND = "Run the command by hand to see what it says."

#: What a shell would act on.
_FOR_SHELLS = frozenset({"&", "&&", "|", "||", ";", ">", ">>", "<", "2>&1", "2>"})

#: Seconds that somebody may ask to wait: a year. Those who wait have limits of their own.
_LONGEST_PAUSE = 366 * 24 * 3600

#: Characters of a command in an error.
_LONGEST_COMMAND = 500


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


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a server could not be reached."""

    #: In our own words.
    why: str
    suggestion: str = BY_HAND
    #: What it said itself: a stranger's words, for errors of its own tools only.
    said: str = ""
    #: Whether it is of no use to try again at once.
    is_final: bool = False
    #: Seconds that it asked to wait.
    retry_after: float | None = None

    def error(self, server: str) -> McpConnectionFailed:
        """Return a new error: each one that is raised is completed by those whom it passes."""
        own = f"server '{server}': {self.why}"
        return McpConnectionFailed(
            f"{own}{self.said}", suggestion=self.suggestion, retry_after=self.retry_after, own_words=own
        )


class Connector:
    """Reaches one server, again and again."""

    def __init__(self, config: ServerConfig, on_notification: Notify, keeper: Keeper) -> None:
        self._config = config
        self._keeper = keeper
        self._on_notification = on_notification
        #: What the server's processes wrote to their standard error at last.
        self.last_lines = LastLines()
        #: What it spoke when it last answered; unknown after a failure, since it may have been updated.
        self._era: Era | None = None
        self._transport: Literal["http", "sse"] | None = None

    async def open(self) -> McpClient:
        """Connect; raises `OSError`, `RpcError`, `PeerGone`, `PeerTimeout` or `InvalidAnswer`."""
        config = self._config
        # A result is a part of a message: the frame around it needs some room.
        max_message = config.max_result_bytes + 64 * 1024
        era, self._era = self._era, None
        if config.url is not None:
            client = await self._open_url(config.url, max_message, era)
        else:
            peer = await ProcessPeer.spawn(
                [*shlex.split(config.command or ""), *config.args],
                env=dict(config.env),
                cwd=config.cwd,
                max_message=max_message,
                on_notification=self._on_notification,
                last_lines=self.last_lines,
                keeper=self._keeper,
            )
            try:
                client = await McpClient.open(peer, config.startup_timeout, era)
            except PeerTimeout as error:
                # Logs, or messages on several lines: what came instead of an answer is the best lead.
                raise PeerTimeout(" | ".join(list(peer.noise)[:3])) from error
        self._era = client.era
        return client

    async def _open_url(self, url: str, max_message: int, era: Era | None) -> McpClient:
        """Connect by streamable HTTP; a server that does not know it may be of the time of SSE (MCP, transports)."""
        # A second to import, for those who need it, and others go on meanwhile.
        await asyncio.to_thread(importlib.import_module, "ael.tools.http")
        from ael.tools.http import HttpPeer, Transport  # noqa: PLC0415 # as above

        async def connect(transport: Transport) -> McpClient:
            peer = await HttpPeer.connect(
                url,
                transport,
                headers=self._config.headers,
                max_message=max_message,
                startup_seconds=self._config.startup_timeout,
                on_notification=self._on_notification,
            )
            client = await McpClient.open(peer, self._config.startup_timeout, era)
            self._transport = transport
            return client

        known, self._transport = self._transport, None
        if "sse" in {self._config.transport, known}:
            return await connect("sse")
        try:
            return await connect("http")
        except RpcError as refused:
            status = refused.data.get("status") if isinstance(refused.data, dict) else None
            if "http" in {self._config.transport, known} or status not in _NOT_STREAMABLE:
                raise
            try:
                return await connect("sse")
            except (RpcError, PeerGone, PeerTimeout, InvalidAnswer):
                raise refused from None

    def explain(self, error: Exception) -> Failure:
        """Say why a server did not start: command or URL, cause, last words."""
        config = self._config
        if config.url is not None:
            return _explain_url(error, config)
        if isinstance(error, OSError):
            return _explain_program(error, config)
        command = shortened(mask_command(config.command or "", config.args), _LONGEST_COMMAND)
        why, said = _cause(error, config)
        return Failure(
            why=f"{why} (command: {command})", said=said + self.last_words(), suggestion=_hint(error, config)
        )

    def last_words(self) -> str:
        """Return the last lines of a server that is gone, as a part of a sentence."""
        lines = [line for line in self.last_lines.lines() if line.strip()][-5:]
        return "; it wrote: " + " | ".join(beginning(line.strip(), 300) for line in lines) if lines else ""


def _explain_program(error: OSError, config: ServerConfig) -> Failure:
    """Say why a process could not even be started: what the system says of it leaves out what is to be done."""
    program = (shlex.split(config.command or "") or [""])[0]
    # Where the process itself is looked for.
    path = Path(shutil.which(program, path=config.env.get("PATH")) or program)
    shown = mask_command(program, ())
    hint = "Install it, or correct the configuration."
    if config.cwd is not None and (wrong := _wrong_directory(error, config.cwd)):
        why, hint = wrong, "Correct `cwd`, or the directory."
    elif isinstance(error, FileNotFoundError) and path.is_file():
        why = f"the first line of '{shown}' names a program that does not exist"
    elif isinstance(error, FileNotFoundError):
        why = f"the command '{shown}' does not exist"
    elif isinstance(error, PermissionError) and path.is_dir():
        why, hint = f"the command '{shown}' is a directory", "Name a program."
    elif isinstance(error, PermissionError):
        why = f"the command '{shown}' may not be executed"
        hint = "Make it executable (chmod +x), or name what runs it: `command: python`, `args: [FILE]`."
    elif error.errno == errno.ENOEXEC:
        why = f"the command '{shown}' is no program, and its first line names none that runs it"
        hint = (
            "Begin it with a line such as #!/bin/sh, or name the program that runs it: `command: sh`, `args: [FILE]`."
        )
    elif error.errno == errno.E2BIG:
        why, hint = (
            f"the arguments of '{shown}', or its environment, are longer than the system allows",
            "Shorten them.",
        )
    else:
        return Failure(why=f"{words(error)} (command: {shown})")
    return Failure(why=why, suggestion=hint, is_final=True)


def _wrong_directory(error: OSError, path: str) -> str:
    """Return why a process could not be started in a directory; empty where that is not why."""
    shown = f"the directory {shortened(path, _LONGEST_COMMAND)}"
    with suppress(OSError):  # too long to be one
        if Path(path).is_dir():
            return f"{shown} may not be entered by this user" if error.filename == path else ""
        if Path(path).exists():
            return f"{path} is not a directory"
    return f"{shown} does not exist"


def _hint(error: Exception, config: ServerConfig) -> str:
    """Return what to do about a process that does not serve."""
    for_shells = [word for word in shlex.split(config.command or "") if word in _FOR_SHELLS]
    if for_shells:
        return f"No shell reads the command, {for_shells[0]} is an argument: use `command: sh`, `args: [-c, COMMAND]`."
    if isinstance(error, PeerTimeout):
        return f"{BY_HAND} One that installs something first may need a longer `startup_timeout`."
    return BY_HAND


def _explain_url(error: Exception, config: ServerConfig) -> Failure:
    why, said = _cause(error, config)
    why = f"{why} (url: {shortened(mask_url(config.url or ''), _LONGEST_COMMAND)})"
    refused = error.data if isinstance(error, RpcError) else None
    if isinstance(refused, dict) and refused.get("status") in {401, 403}:
        hint = "Set what it asks for under `headers`, such as Authorization: Bearer ${TOKEN}."
    else:
        hint = "Check that the URL is right and that the server is up."
    asked = retry_after_of(error)
    return Failure(why=why, said=said, suggestion=wait_hint(asked) or hint, retry_after=asked)


def _cause(error: Exception, config: ServerConfig) -> tuple[str, str]:
    """Return the cause in our words, and in those of the server."""
    if isinstance(error, PeerTimeout):
        noise = " ".join(visible(str(error)).split())
        said = f"; its standard output has what is no message: {noise}" if noise else ""
        return f"it did not answer within {config.startup_timeout:g}s", said
    if isinstance(error, RpcError):
        status = error.data.get("status") if isinstance(error.data, dict) else None
        if isinstance(status, int):
            return words(error), ""
        return f"it refused the session (code {error.code})", f"; {words(error)}"
    return words(error), ""


def asked_pause(data: JSONValue) -> float | None:
    """Return the seconds that the data of an error asks to wait, if it does."""
    asked = data.get("retry_after") if isinstance(data, dict) else None
    if isinstance(asked, bool) or not isinstance(asked, int | float):
        return None
    return float(asked) if 0 < asked <= _LONGEST_PAUSE else None


def retry_after_of(error: Exception) -> float | None:
    """Return the seconds that a server asks to wait by what it answered, if it does."""
    if isinstance(error, PeerGone):
        return error.retry_after
    return asked_pause(error.data) if isinstance(error, RpcError) else None


def wait_hint(seconds: float | None) -> str:
    """Return what to do about that."""
    return f"Wait {math.ceil(seconds)} s before the next try, as the server asks." if seconds else ""


def words(error: Exception) -> str:
    """Return what happened in a call or at the start, on one line."""
    if isinstance(error, RpcError):
        return f"it answered: {visible(error.message)}"
    if isinstance(error, PeerTimeout):
        return "it did not answer in time"
    return visible(str(error)) or type(error).__name__
