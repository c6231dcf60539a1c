"""`ael serve` as a process, for its tests: a project of its own, both transports, both eras of the SDK's client."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

QUICK = """
name: quick
version: 1.0
description: Greets.
inputs: {who: {type: string, default: you}}
steps:
  - {id: pause, wait: {seconds: 0}}
  - {id: again, wait: {seconds: 0}}
outputs:
  greeting: {value: "hello {{ inputs.who }}"}
"""

ERAS = {"handshake": "legacy", "modern": "2026-07-28"}


CHANGED = "notifications/tools/list_changed"


class Project:
    """A directory with a configuration and workflows, and what serves it."""

    def __init__(self, root: Path, environment: dict[str, str], stderr: Any) -> None:
        self.root = root
        self.environment = environment
        self._stderr = stderr
        self.configure({})

    def configure(self, config: dict[str, Any]) -> None:
        (self.root / "ael-config.yaml").write_text(json.dumps(config) or "")

    #: The text of the workflow that every project has.
    quick = QUICK

    def write(self, name: str, text: str) -> Path:
        path = self.root / "workflows" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def errors(self) -> str:
        """What the last server said on standard error."""
        text: str = self._stderr.text
        return text

    @asynccontextmanager
    async def client(self, era: str, transport: str = "stdio", *options: str, **more: Any) -> AsyncIterator[Client]:
        """Serve, connected with the SDK's client."""
        if transport == "http":
            async with self.over_http(*options) as url, Client(url, mode=ERAS[era], **more) as client:
                yield client
            return
        self._stderr.forget()
        # The SDK's client gives its own standard error to the server.
        program = f"exec {sys.executable} -m ael serve {' '.join(options)} 2>stderr"
        parameters = StdioServerParameters(command="/bin/sh", args=["-c", program], env=self.environment, cwd=self.root)
        async with Client(parameters, mode=ERAS[era], **more) as client:
            yield client

    @asynccontextmanager
    async def raw(self, *options: str) -> AsyncIterator[Raw]:
        """Serve, connected with nothing but lines of JSON."""
        async with self.process(*options) as running:
            yield await Raw(running).open()

    @asynccontextmanager
    async def process(self, *options: str, **streams: Any) -> AsyncIterator[asyncio.subprocess.Process]:
        """Serve with raw pipes."""
        self._stderr.forget()
        with (self.root / "stderr").open("wb") as errors:
            running = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ael", "serve", *options, cwd=self.root, env=self.environment, stderr=errors,
                limit=2**26, **{"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, **streams},
            )  # fmt: skip
        try:
            yield running
        finally:
            if running.returncode is None:
                running.send_signal(signal.SIGTERM)
            if running.stdin is not None:
                running.stdin.close()
            await running.wait()

    @asynccontextmanager
    async def over_http(self, *options: str) -> AsyncIterator[str]:
        """Serve over HTTP at a free port; give the URL."""
        async with self.process("--transport", "http", "--port", "0", *options) as running:
            yield await self.said(r"Listening on (\S+)", running)

    async def said(self, pattern: str, running: asyncio.subprocess.Process | None = None) -> str:
        """Wait until the server has said something, and return the first group of it."""
        await self._stderr.until(re.compile(pattern).search, running)
        found = re.search(pattern, self.errors)
        assert found is not None
        return found[1] if found.groups() else found[0]

    async def opened(self, client: Any, url: str, era: str) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the headers and the `_meta` of requests."""
        accept = {"Accept": "application/json, text/event-stream"}
        prefix = "io.modelcontextprotocol/"
        if era == "modern":
            version = "2026-07-28"
            envelope = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
            return {**accept, "MCP-Protocol-Version": version}, envelope
        info = {"name": "t", "version": "1"}
        asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        answer = await client.post(
            url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}, headers=accept
        )
        headers = {
            **accept, "MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": answer.headers["mcp-session-id"],
        }  # fmt: skip
        await client.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
        return headers, {}


class Raw:
    """JSON-RPC over the pipes of a process, one line at a time."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self.running = running
        #: Every line of its standard output.
        self.lines: list[bytes] = []
        self.notifications: list[dict[str, Any]] = []
        self._last = 0

    async def open(self) -> Raw:
        """Shake hands."""
        asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        await self.ask("initialize", asked)
        self.tell("notifications/initialized")
        return self

    def tell(self, method: str, params: dict[str, Any] | None = None, number: int | None = None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if number is not None:
            message["id"] = number
        assert self.running.stdin is not None
        self.running.stdin.write(json.dumps(message).encode() + b"\n")

    def send(self, method: str, params: dict[str, Any] | None = None) -> int:
        self._last += 1
        self.tell(method, params, self._last)
        return self._last

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self.answer(self.send(method, params))

    async def answer(self, number: int) -> dict[str, Any]:
        """Read until the answer to a request; what comes before it is kept."""
        while True:
            message = await self.read()
            if message.get("id") == number:
                return message
            self.notifications.append(message)

    async def tools(self, *names: str) -> list[dict[str, Any]]:
        """List the tools once all of these are among them: those of a server that starts slowly come later."""
        while True:
            listed: list[dict[str, Any]] = (await self.ask("tools/list"))["result"]["tools"]
            if {*names} <= {tool["name"] for tool in listed}:
                return listed
            await self.told_of_changes()

    async def told_of_changes(self) -> None:
        """Wait until the client is told that the list of tools has changed."""
        while all(one["method"] != CHANGED for one in self.notifications):
            self.notifications.append(await self.read())
        self.notifications.clear()

    async def read(self) -> dict[str, Any]:
        assert self.running.stdout is not None
        line = await asyncio.wait_for(self.running.stdout.readline(), 60)
        assert line, "the server closed its output"
        self.lines.append(line)
        message: dict[str, Any] = json.loads(line)
        return message

    async def call(self, name: str, arguments: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
        """Call a tool and return its result."""
        params: dict[str, Any] = {"name": name, "arguments": arguments or {}}
        if meta:
            params["_meta"] = meta
        result: dict[str, Any] = (await self.ask("tools/call", params))["result"]
        return result


async def listed(client: Client, *names: str) -> list[str]:
    """Return the names of the tools once all of these are among them."""
    while True:
        found = [tool.name for tool in (await client.list_tools()).tools]
        if {*names} <= {*found}:
            return found


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str], named_pipe: Callable[[Path], Any]) -> Project:
    """Make a project with one workflow, which `ael serve` serves."""
    made = Project(tmp_path, environment, named_pipe(tmp_path / "stderr"))
    made.write("quick.yaml", QUICK)
    return made
