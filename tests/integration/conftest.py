"""`ael serve` as a process that others' clients, a suite and a crowd talk to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

HERE = Path(__file__).parent
EVERYTHING = {"command": sys.executable, "args": [str(HERE / "servers/everything.py"), "stdio"], "startup_timeout": 100}

#: `ael serve`, whose first list waits for its servers however slowly the machine starts them: these clients ask once.
SERVE = [
    sys.executable, "-c",
    "from ael.__main__ import main; from ael.app.serving import upstream; upstream._PATIENCE = 100.0; main()", "serve",
]  # fmt: skip

GREET = """
name: greet
version: "1.0"
description: Greet someone.
inputs:
  name: {type: string, default: World, description: Who to greet}
steps:
  - id: greet
    code: |
      return {"greeting": f"Hello, {inputs['name']}!"}
output: "{{ steps.greet.output }}"
"""

#: Waits for a server of ours in servers/.
HOLD = """
name: hold
version: "1.0"
steps:
  - id: wait
    tool: hold
    timeout: 100
output: "{{ steps.wait.output }}"
"""


class Serving:
    """A running `ael serve --transport http`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(60) or not self.url:
            raise AssertionError("ael serve does not listen:\n" + "".join(self.lines))

    @property
    def url(self) -> str:
        found = re.search(r"http://[^ ]+/mcp", "".join(self.lines))
        return found[0] if found else ""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if "/mcp" in line:
                self._ready.set()
        self._ready.set()

    def stop(self) -> int:
        """End it as a service manager does and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._reader.join()
            assert self.process.stderr is not None
            self.process.stderr.close()


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., None]:
    """Write a configuration and workflows into the test's directory."""

    def make(workflows: dict[str, str] | None = None, **sections: Any) -> None:
        config = {"mcp": {"servers": {"everything": EVERYTHING}, "tool_names": "safe"}, **sections}
        (tmp_path / "ael-config.yaml").write_text(json.dumps(config))
        (tmp_path / "workflows").mkdir(exist_ok=True)
        for name, text in (workflows or {"greet": GREET}).items():
            (tmp_path / "workflows" / f"{name}.yaml").write_text(text)

    return make


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return where the server for crowds notes the calls that it holds."""
    return tmp_path / "calls.log"


@pytest.fixture
def configure_crowd(configure: Callable[..., None], log: Path) -> Callable[..., None]:
    """Write a configuration with the server for crowds, and a workflow that waits for it beside others."""

    def make(workflows: dict[str, str] | None = None, **sections: Any) -> None:
        server = {"command": sys.executable, "args": [str(HERE / "servers/crowd.py"), str(log)]}
        servers = {"crowd": {**server, "startup_timeout": 100, "timeout": 100, "max_concurrency": 500}}
        mcp = {"servers": servers, "tool_names": "safe"}
        configure({"hold": HOLD, **(workflows or {})}, mcp=mcp, tools={"builtins": []}, **sections)

    return make


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Start `ael serve` over HTTP in the test's directory."""
    running: list[Serving] = []

    def start(*arguments: str) -> Serving:
        command = [*SERVE, "--transport", "http", "--port", "0", *arguments]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            running.append(Serving(process))
        except AssertionError:
            process.kill()
            process.communicate()
            raise
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def others() -> Path:
    """Return where `.ci/clients` installed others' clients; without them these tests have nothing to say."""
    given = os.environ.get("AEL_CLIENTS")
    place = Path(given or (Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ael-clients"))
    if not given and not (place / "pinned").exists():
        pytest.skip("others' clients are not installed: run .ci/clients")
    return place


@pytest.fixture(scope="session")
def node(others: Path) -> str:
    return str(others / "npm/node_modules/.bin/node")


class Talk:
    """JSON-RPC over HTTP as a client without an SDK speaks it."""

    def __init__(self, client: httpx2.AsyncClient, url: str) -> None:
        self.client = client
        self.url = url

    async def post(self, content: bytes | str, **headers: str | None) -> httpx2.Response:
        """Send a body; a header that is None is left out."""
        usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        given = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        kept = {name: value for name, value in given.items() if value is not None}
        return await self.client.post(self.url, content=content, headers=kept)

    @staticmethod
    def request(method: str, **params: Any) -> tuple[str, dict[str, str]]:
        """Return the body and the headers of a request of the newest revision."""
        version = "2026-07-28"
        prefix = "io.modelcontextprotocol/"
        meta = {f"{prefix}protocolVersion": version, f"{prefix}clientCapabilities": {}}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        headers = {"MCP_Protocol_Version": version, "Mcp_Method": method}
        named = params.get("name", params.get("uri"))
        if named is not None:
            headers["Mcp_Name"] = named
        return json.dumps(body, ensure_ascii=False), headers

    async def ask(self, method: str, **params: Any) -> Any:
        """Make a request of the newest revision and return its result or its error."""
        body, headers = self.request(method, **params)
        return answer_of(await self.post(body, **headers))

    async def call(self, tool: str, **arguments: Any) -> Any:
        return await self.ask("tools/call", name=tool, arguments=arguments)

    async def open_session(self) -> str:
        """Say hello in the older revision and return the session's id."""
        info = {"name": "crowd", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        response = await self.post(json.dumps(hello))
        assert response.status_code == 200, response.text
        return str(response.headers["mcp-session-id"])


def answer_of(response: httpx2.Response) -> Any:
    """Return the result or the error that a response holds, be it JSON or a stream of events."""
    text = response.text
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        text = [line for line in text.splitlines() if line.startswith("data: {")][-1].removeprefix("data: ")
    found = json.loads(text)
    return found.get("result", found.get("error"))


@pytest.fixture
async def talk() -> AsyncIterator[Callable[[str], Talk]]:
    """Return a client without limits of its own."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(timeout=120, limits=limits) as client:
        yield lambda url: Talk(client, url)


class Footprint(NamedTuple):
    """What a process holds."""

    descriptors: int
    threads: int
    children: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> Footprint:
        place = Path(f"/proc/{pid}")
        tasks = list((place / "task").iterdir())
        children = {child for task in tasks for child in (task / "children").read_text().split()}
        resident = re.search(r"VmRSS:\s+(\d+)", (place / "status").read_text())
        assert resident is not None
        return cls(len(list((place / "fd").iterdir())), len(tasks), len(children), int(resident[1]) * 1024)


@pytest.fixture
def footprint() -> Callable[[int], Footprint]:
    return Footprint.of


class Pipes:
    """`ael serve` over its standard streams, in the older revision of the protocol."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.number = 0
        # Who waits for a line that never comes fails by the end of the output.
        self.watchdog = threading.Timer(120, process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()
        #: What came besides answers.
        self.news: list[dict[str, Any]] = []

    def send(self, line: bytes | str | dict[str, Any]) -> None:
        data = json.dumps(line) if isinstance(line, dict) else line
        assert self.process.stdin is not None
        self.process.stdin.write(data.encode() if isinstance(data, str) else data)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def start(self, method: str, **params: Any) -> int:
        self.number += 1
        self.send({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        return self.number

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Make a request and return its answer; answers to what was wrong before it, and news, are passed over."""
        number = self.start(method, **params)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            assert message["jsonrpc"] == "2.0"
            if message.get("id") == number:
                found: dict[str, Any] = message
                return found
            if "method" in message:
                self.news.append(message)
        raise AssertionError("the server has closed its output")

    def leave(self) -> tuple[int, str]:
        """Go away as a client does that has died, which reads no answers; return its exit code and what it said."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.end()

    def end(self) -> tuple[int, str]:
        """Close its input and return its exit code and what it said."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said.decode()


@pytest.fixture
def pipe(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Pipes]]:
    """Start `ael serve` over standard streams in the test's directory, and say hello."""
    running: list[Pipes] = []

    def start(**more: str) -> Pipes:
        process = subprocess.Popen(
            SERVE,
            cwd=tmp_path,
            env={**environment, **more},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        made = Pipes(process)
        running.append(made)
        info = {"name": "test", "version": "1"}
        made.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info)
        made.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return made

    yield start
    for one in running:
        one.watchdog.cancel()
        one.process.kill()
        with one.process:
            pass
