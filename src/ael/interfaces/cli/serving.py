"""What `ael serve` does: the streams made safe, the start told, one protocol served, an orderly end."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Literal

import msgspec

from ael.app.application import App
from ael.app.files import is_directory
from ael.app.serving.served import Presence
from ael.app.serving.serving import Serving, offers_code
from ael.app.settings import Settings, load_settings
from ael.errors import AelError, ConfigInvalid, Problem
from ael.interfaces.cli.options import Globals
from ael.interfaces.cli.render import print_failure, printable, say
from ael.interfaces.cli.session import Interruption, set_up_logging
from ael.interfaces.http.address import Address, listen, tls_context
from ael.interfaces.mcp.wire import divert

#: Seconds in which a client takes its last answers.
_LAST_WORDS = 2


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says; None where it says nothing."""

    transport: Literal["stdio", "http"] | None
    host: str | None
    port: int | None
    mode: Literal["configuration", "running"] | None
    watch: bool
    tool_names: Literal["canonical", "safe"] | None
    hosts: tuple[str, ...]
    insecure: bool
    tls_cert: str | None
    tls_key: str | None


class Serve:
    """One invocation."""

    def __init__(self, settings: Globals, options: Options) -> None:
        self.settings = settings
        self.options = options
        self.wire: tuple[int, int] | None = None

    def main(self) -> int:
        """Serve to the end and return the exit code."""
        try:
            read = load_settings(self.settings.config, may_be_missing=self.options.mode != "running")
            set_up_logging(self.settings, read, usual="INFO")
            if self._transport(read) == "stdio":
                self._take_wire()
            return asyncio.run(self._run(read))
        except AelError as error:
            print_failure(error, self.settings)
            return 1

    def _take_wire(self) -> None:
        """Take the standard streams for the protocol; raises `ConfigInvalid` where they are closed."""
        unused = {"--host": self.options.host, "--port": self.options.port, "--tls-cert": self.options.tls_cert}
        given = [name for name, value in unused.items() if value is not None]
        if given:
            self._say(f"Not used without --transport http: {', '.join(given)}")
        is_terminal = os.isatty(0) if sys.stdin is not None else False
        try:
            self.wire = divert()
        except OSError as error:
            problem = Problem(
                message="standard input or output is closed, and over them a client speaks with `ael serve`",
                suggestion="Have a client start it, or serve over HTTP: ael serve --transport http.",
            )
            raise ConfigInvalid([problem]) from error
        if is_terminal:
            self._say("Waiting for an MCP client on standard input (`ael install` sets one up); Ctrl-C ends")

    def _transport(self, read: Settings) -> Literal["stdio", "http"]:
        return self.options.transport or read.listening.transport

    async def _run(self, read: Settings) -> int:
        interruption = Interruption(self.settings)
        mode = self._mode(read)
        self._tell_start(read, mode)
        transport = self._transport(read)

        def now_running(changed: Settings) -> None:
            set_up_logging(self.settings, changed, usual="INFO")
            self._tell_start(changed, "running")
            running.set()

        running = asyncio.Event()
        try:
            async with (
                App.open(read) as app,
                Serving(
                    app,
                    transport,
                    watch=self.options.watch,
                    mode=mode,
                    named=self.settings.config,
                    on_running=now_running,
                ) as serving,
            ):
                if mode == "running":
                    running.set()
                telling = asyncio.create_task(self._tell_workflows(serving, running))
                try:
                    await (self._over_pipes(serving) if transport == "stdio" else self._over_http(serving, read))
                finally:
                    telling.cancel()
        except asyncio.CancelledError:
            return interruption.exit_code
        return 0

    # -- protocols ----------------------------------------------------------------------------------------------

    async def _over_pipes(self, serving: Serving) -> None:
        from ael.interfaces.mcp.pipes import serve_pipes  # noqa: PLC0415 # a second: `mcp`
        from ael.interfaces.mcp.requests import OpenRequests  # noqa: PLC0415 # as above
        from ael.interfaces.mcp.server import McpServer  # noqa: PLC0415 # as above

        assert self.wire is not None
        presence, requests = Presence(), OpenRequests()
        server = McpServer(serving, self.options.tool_names, presence)
        running = asyncio.create_task(serve_pipes(server, presence, self.wire, requests))
        try:
            await asyncio.wait((running,))
        except asyncio.CancelledError:
            # First what runs is put on record, and the client is told; then its pipes close.
            await serving.runs.stop()
            await requests.answered(_LAST_WORDS)
            running.cancel()
            await asyncio.wait((running,))
            raise
        try:
            await running
        finally:
            server.news.close()
            # Those of `on_disconnect: cancel` are ending already.
            await serving.runs.finish()

    async def _over_http(self, serving: Serving, read: Settings) -> None:
        options, listening = self.options, read.listening
        _refuse_authentication(read)
        address = Address(
            # As in a URL is as good.
            host=(options.host or listening.host).removeprefix("[").removesuffix("]"),
            port=listening.port if options.port is None else options.port,
            insecure=options.insecure or listening.insecure,
            allowed_hosts=options.hosts,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
        )
        if offers_code(serving.app):
            self._say("python_exec is not offered over HTTP: that needs authentication")
        if read.file.mcp.authoring:
            self._say("authoring tools are not offered over HTTP: that needs authentication")
        if read.file.mcp.config_tools:
            self._say("configuration tools are not offered over HTTP: that needs authentication")
        # Before the port is open and heavy libraries are imported.
        tls_context(address)
        with listen(address) as port:
            await self._at(port, serving, address)

    async def _at(self, port: socket.socket, serving: Serving, address: Address) -> None:
        from ael.interfaces.http.server import HttpServer  # noqa: PLC0415 # a second: `mcp`
        from ael.interfaces.mcp.server import McpServer  # noqa: PLC0415 # as above

        server = HttpServer(McpServer(serving, self.options.tool_names), address, port)
        self._say(f"Listening on {server.url}")
        running = asyncio.create_task(server.serve())
        try:
            await asyncio.wait((running,))
        except asyncio.CancelledError:
            # First what runs is put on record, and its callers are told; then the port closes.
            await serving.runs.stop()
            server.stop()
            await running
            raise
        await running

    # -- what is told -------------------------------------------------------------------------------------------

    def _mode(self, read: Settings) -> Literal["configuration", "running"]:
        if self.options.mode == "running" and read.path is None:
            where = ", ".join(read.searched)
            problem = Problem(message=f"there is no configuration (searched: {where})", suggestion="Run `ael init`.")
            raise ConfigInvalid([problem])
        return self.options.mode or ("configuration" if read.path is None else "running")

    def _tell_start(self, read: Settings, mode: str) -> None:
        if read.path is None:
            self._say(f"No config found (searched: {', '.join(read.searched)})")
        else:
            here = "./" if read.path.parent == Path() else ""
            self._say(f"Config loaded from: {here}{read.path}")
        self._say(f"Mode: {mode}")
        if mode == "configuration":
            self._say("Use config tools to set up AEL")
            return
        names = [name for name, server in read.servers.items() if server.enabled]
        if read.servers_refused and names:
            self._say(f"MCP servers: none is started: {read.servers_refused}")
        elif names:
            self._say(f"MCP servers: {', '.join(names)} ({len(names)})")

    async def _tell_workflows(self, serving: Serving, running: asyncio.Event) -> None:
        await running.wait()
        await serving.workflows.ready()
        self._say(f"Workflows: {len(serving.workflows.names)} registered")
        named = serving.app.settings.file.workflows
        if named.directory or named.directories:
            for one in serving.app.settings.directories:
                if not is_directory(one):
                    self._say(f"There is no directory {one}: its workflows are offered once it is there")

    def _say(self, text: str) -> None:
        if not self.settings.quiet:
            say(printable(f"[AEL] {text}"), self.settings)


def _refuse_authentication(read: Settings) -> None:
    """Raise `ConfigInvalid` where callers over HTTP have to say who they are: to let everybody in is no answer."""
    auth = read.file.auth
    for asked, key in ((auth.required, "auth.required"), (auth.oidc is not None, "auth.oidc")):
        if asked:
            message = f"'{key}' asks for authentication over HTTP, which there is none of yet"
            hint = "Serve over stdio, or take it out and have something else keep strangers away."
            raise ConfigInvalid([Problem(message=message, suggestion=hint)])
