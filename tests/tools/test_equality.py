"""Our client against the SDK's: the same servers, the same calls, in both eras, and what differs with its reason.

Numbers are compared as JSON means them, where 1 is 1.0: the SDK reads a size into a float and writes it as one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ael.errors import AelError
from ael.tools.client import Era, McpClient
from ael.tools.jsonrpc import RpcError
from ael.tools.keeper import Keeper
from ael.tools.mocked import same
from ael.tools.servers import ServerConfig
from ael.tools.stderr import LastLines
from ael.tools.stdio import ProcessPeer

pytestmark = pytest.mark.slow

SERVERS = Path(__file__).parent / "servers"
BIN = Path(sys.executable).parent
NPM = Path(
    os.environ.get("MCP_NPM_SERVERS")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ael", "npm-servers")
)
MODULES = NPM / "node_modules" / "@modelcontextprotocol"

Calls = list[tuple[str, dict[str, Any]]]

#: (server, tool): how an answer may differ, by a function that takes away what may, and why.
DIFFERENT = {
    # The clock.
    ("time", "get_current_time"): lambda answer: sorted(answer["structuredContent"]),
    # The clock, in a text.
    ("everything", "get-resource-reference"): lambda answer: re.sub(
        r"\d+:\d+:\d+", "", msgspec.json.encode(answer).decode()
    ),
    # Each client decides what of its environment a server gets; both give it the place to search for programs.
    ("everything", "get-env"): lambda answer: '"PATH' in msgspec.json.encode(answer).decode().replace("\\", ""),
}


class Place:
    """What servers work on, fresh for each client."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url
        self.files = root / "files"
        self.files.mkdir(parents=True)
        (self.files / "a.txt").write_text("héllo\nworld\n")
        self.repository = root / "repository"
        self.repository.mkdir()
        day = "2026-01-01T00:00:00+0000"
        fixed = {"GIT_AUTHOR_DATE": day, "GIT_COMMITTER_DATE": day, "HOME": str(root), "PATH": os.environ["PATH"]}
        for words in (
            "init -q -b main",
            "config user.name A",
            "config user.email a@example.org",
            "commit -q --allow-empty -m first",
        ):
            subprocess.run(["git", *words.split()], cwd=self.repository, env=fixed, check=True)

    def server(self, name: str) -> tuple[list[str], dict[str, str], Calls]:
        """Return the command, the environment and the calls of a server."""
        repository, files = str(self.repository), str(self.files)
        match name:
            case "low":
                numbers: Calls = [("add", {"a": 1, "b": 2}), ("add", {"a": "x", "b": 2}), ("refuse", {}), ("nope", {})]
                calls = [*numbers, ("repeat", {"text": "é😀\u2028", "times": 300_000}), ("steps", {})]
                return [sys.executable, str(SERVERS / "low.py")], {}, calls
            case "git":
                calls = [("git_status", {"repo_path": repository}), ("git_log", {"repo_path": repository})]
                calls += [("git_branch", {"repo_path": repository, "branch_type": "local"}), ("git_status", {})]
                return [f"{BIN}/mcp-server-git", "--repository", repository], {}, calls
            case "time":
                conversion = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
                calls = [("convert_time", conversion), ("convert_time", {"source_timezone": "X"})]
                return (
                    [f"{BIN}/mcp-server-time", "--local-timezone", "UTC"],
                    {},
                    [*calls, ("get_current_time", {"timezone": "UTC"})],
                )
            case "fetch":
                calls = [("fetch", {"url": f"{self.url}/page"}), ("fetch", {"url": f"{self.url}/nothing"})]
                return (
                    [f"{BIN}/mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips"],
                    # Where it finds node, it installs packages into its own, and two of it at once break that.
                    {"PATH": str(BIN)},
                    [*calls, ("fetch", {"url": "no url"})],
                )
            case "everything":
                calls = [("echo", {"message": "hi é 😀 \u2028"}), ("get-sum", {"a": 1, "b": 2.5}), ("echo", {})]
                calls += [("get-tiny-image", {}), ("get-structured-content", {"location": "New York"})]
                calls += [("get-annotated-message", {"messageType": "error", "includeImage": True})]
                calls += [("get-resource-links", {"count": 2}), ("get-env", {}), ("none", {})]
                calls += [("get-resource-reference", {"resourceType": "Text", "resourceId": 1})]
                calls += [("trigger-long-running-operation", {"duration": 0.2, "steps": 2})]
                return ["node", str(MODULES / "server-everything/dist/index.js"), "stdio"], {}, calls
            case "filesystem":
                calls = [("list_directory", {"path": files}), ("read_text_file", {"path": f"{files}/a.txt"})]
                calls += [("read_text_file", {"path": "/etc/passwd"}), ("directory_tree", {"path": files})]
                calls += [("write_file", {"path": f"{files}/b.txt", "content": "b"}), ("read_text_file", {})]
                return ["node", str(MODULES / "server-filesystem/dist/index.js"), files], {}, calls
            case "memory":
                ada = {"name": "Ada", "entityType": "person", "observations": ["counts"]}
                calls = [("create_entities", {"entities": [ada]}), ("read_graph", {}), ("search_nodes", {"query": "A"})]
                calls += [("open_nodes", {"names": ["Nobody"]}), ("create_entities", {"entities": 1})]
                memory = {"MEMORY_FILE_PATH": str(self.root / "memory.json")}
                return ["node", str(MODULES / "server-memory/dist/index.js")], memory, calls
        raise AssertionError(name)


FROM_NPM = ("everything", "filesystem", "memory")
#: Tools that run as tasks only, and why they are left out.
AS_TASKS = {"everything": {"simulate-research-query": "it runs as a task only, and is called in no other way"}}
ALL = ("low", "git", "time", "fetch", *FROM_NPM)


class _Page(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        found = self.path == "/page"
        body = b"<html><body><h1>Title</h1><p>Some text that is long enough to be read.</p></body></html>"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def installed(request: pytest.FixtureRequest) -> None:
    """Skip what a machine cannot run; where all is checked, everything must be there."""
    spec = getattr(request.node, "callspec", None)
    names = ALL if spec is None else (spec.params["name"],)
    if not MODULES.is_dir() and {*names} & {*FROM_NPM}:
        reason = f"the servers from npm are not in {NPM}: .ci/npm-servers puts them there, where node is installed"
    elif "fetch" in names and not (BIN / "mcp-server-fetch").exists():
        reason = "mcp-server-fetch needs Python 3.11.5"
    else:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def plain(result: dict[str, Any]) -> dict[str, Any]:
    """Add what may be left out."""
    return {"isError": False, "resultType": "complete", **result}


def _listener(told: list[Any], *, is_async: bool = True) -> Any:
    def listen(done: float, total: float | None, words: str | None) -> None:
        told.append((done, total, words))

    async def listen_later(done: float, total: float | None, words: str | None) -> None:
        listen(done, total, words)

    return listen_later if is_async else listen


async def ours(command: list[str], env: dict[str, str], calls: Calls, era: Era | None) -> list[Any]:
    peer = await ProcessPeer.spawn(
        command,
        env=env,
        cwd=None,
        max_message=32 * 1024 * 1024,
        on_notification=lambda method, params: None,
        last_lines=LastLines(),
        keeper=Keeper(),
    )
    client = await McpClient.open(peer, 60, era)
    try:
        found: list[Any] = [client.version, {tool["name"]: tool for tool in await client.list_tools(60)}]
        for tool, params in calls:
            told: list[Any] = []

            try:
                listen = _listener(told, is_async=False)
                result = await client.call_tool(tool, params, timeout_seconds=60, meta={}, on_progress=listen)
                found.append([plain(result.raw), told])
            except RpcError as error:
                found.append(["error", error.code, error.message])
    finally:
        await client.close()
    return found


async def theirs(command: list[str], env: dict[str, str], calls: Calls, era: Era | None) -> list[Any]:
    # A second to import, for those who have this test run.
    from mcp import Client, MCPError  # noqa: PLC0415
    from mcp.client.stdio import StdioServerParameters, stdio_client  # noqa: PLC0415

    parameters = StdioServerParameters(command=command[0], args=command[1:], env=env)
    with Path(os.devnull).open("w") as nowhere:
        transport = stdio_client(parameters, errlog=nowhere)
        async with Client(transport, mode="legacy" if era == "handshake" else "auto") as client:

            def dumped(model: Any) -> dict[str, Any]:
                return dict(model.model_dump(by_alias=True, mode="json", exclude_none=True))

            listed = (await client.list_tools()).tools
            found: list[Any] = [client.protocol_version, {tool.name: dumped(tool) for tool in listed}]
            for tool, params in calls:
                told: list[Any] = []

                try:
                    result = await client.call_tool(tool, params, progress_callback=_listener(told))
                    found.append([plain(dumped(result)), told])
                except MCPError as error:
                    found.append(["error", error.error.code, error.error.message])
    return found


@pytest.mark.parametrize("era", [None, "handshake"])
@pytest.mark.parametrize("name", ALL)
async def test_both_clients_get_the_same_from_a_server(name: str, era: Era | None, tmp_path: Path, url: str) -> None:
    answers = []
    for side, client in (("place", ours), ("place", theirs)):
        place = Place(tmp_path / side, url)
        command, env, calls = place.server(name)
        answers.append(await client(command, env, calls, era))
        # The other one finds everything at the same place, as it was.
        place.root.rename(tmp_path / client.__name__)
    (version, tools, *mine), (their_version, their_tools, *their_answers) = answers
    assert version == their_version
    if name == "low":
        assert version == ("2025-11-25" if era else "2026-07-28")
    assert list(tools) == list(their_tools)
    for tool in tools:
        assert same(tools[tool], their_tools[tool]), tool
    assert len(mine) == len(their_answers) == len(calls)
    for (tool, params), answer, their_answer in zip(calls, mine, their_answers, strict=True):
        if different := DIFFERENT.get((name, tool)):
            assert different(answer[0]) == different(their_answer[0])
        else:
            assert same(answer, their_answer), (tool, params)


@pytest.mark.parametrize("name", ALL)
async def test_every_server_answers_through_the_gateway(name: str, tmp_path: Path, url: str, through) -> None:
    command, env, calls = Place(tmp_path / "place", url).server(name)
    call = through(**{name: ServerConfig(command=command[0], args=tuple(command[1:]), env=env, startup_timeout=60)})
    offered = {info.ref.name for info in await call.catalog.offered(name)}
    server = call.servers[name]
    assert server.status == "ready"
    assert server.broken == AS_TASKS.get(name, {})
    right: list[object] = []
    for tool, params in calls:
        if tool in offered:
            with suppress(AelError):
                right.append(await call(f"{name}__{tool}", **params))
    # Of each server the first call fits, and later ones do not.
    assert right
    assert len(right) < len(calls)


@pytest.mark.parametrize("name", ALL)
def test_every_server_answers_a_call_from_the_shell(name: str, tmp_path: Path, url: str, ael, write) -> None:
    command, env, calls = Place(tmp_path / "place", url).server(name)
    server = {"command": command[0], "args": command[1:], "env": env}
    config = write("real.yaml", msgspec.json.encode({"mcp": {"servers": {name: server}}}).decode())
    tool, params = calls[0]
    given = msgspec.json.encode(params).decode()
    done = ael("tools", "call", f"{name}__{tool}", "-c", config, "--params-file", "-", stdin=given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_one_workflow_works_with_all_of_them(tmp_path: Path, url: str, ael, write) -> None:
    place = Place(tmp_path / "place", url)
    servers = {}
    for name in ALL:
        command, env, _ = place.server(name)
        servers[name] = {"command": command[0], "args": command[1:], "env": env}
    write("ael-config.yaml", msgspec.json.encode({"mcp": {"servers": servers}}).decode())
    write(
        "all.yaml",
        f"""
name: all
version: 1
steps:
  - {{id: sum, tool: low__add, params: {{a: 20, b: 22}}}}
  - id: tokyo
    tool: convert_time
    params: {{source_timezone: UTC, time: "12:00", target_timezone: Asia/Tokyo}}
  - {{id: status, tool: git_status, params: {{repo_path: "{place.repository}"}}}}
  - {{id: page, tool: fetch, params: {{url: "{url}/page"}}}}
  - {{id: echo, tool: everything__echo, params: {{message: "{{{{ steps.sum.output.result | string }}}}"}}}}
  - id: remember
    tool: create_entities
    params: {{entities: [{{name: Ada, entityType: person, observations: ["{{{{ steps.echo.output }}}}"]}}]}}
  - {{id: graph, tool: read_graph, depends_on: [remember]}}
  - {{id: store, tool: write_file, params: {{path: "{place.files}/sum.txt", content: "{{{{ steps.echo.output }}}}"}}}}
output:
  zone: "{{{{ steps.tokyo.output.time_difference }}}}"
  known: "{{{{ steps.graph.output.entities[0].observations[0] }}}}"
  page: "{{{{ 'Some text' in (steps.page.output | string) }}}}"
""",
    )
    done = ael("run", "all.yaml", "-c", "ael-config.yaml", "--json")
    assert done.returncode == 0, done.stdout
    assert msgspec.json.decode(done.stdout)["outputs"] == {"zone": "+9.0h", "known": "Echo: 42", "page": True}
    assert (place.files / "sum.txt").read_text() == "Echo: 42"
