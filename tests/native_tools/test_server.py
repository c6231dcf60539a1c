"""The server as a program: the protocol over standard streams and over HTTP, and nothing else on them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

import pytest

from ael.tools import CallContext
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import Gateway
from ael.tools.servers import McpServer, ServerConfig
from native_tools.modern import read

ABOUT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": ABOUT}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
Talk = Callable[..., list[dict[str, Any]]]


def program(*arguments: str, module: str = "native_tools") -> list[str]:
    return [sys.executable, "-P", "-m", module, *arguments]


@pytest.fixture
def variables(workspace: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "WORKSPACE_DIR": str(workspace)}


@pytest.fixture
def talk(variables: dict[str, str]) -> Talk:
    """Send lines to a server and return all that it wrote, as messages."""

    def run(*lines: dict[str, Any] | str, module: str = "native_tools") -> list[dict[str, Any]]:
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        done = subprocess.run(
            program(module=module), input=text, env=variables, capture_output=True, text=True, timeout=60, check=True
        )
        return sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda one: str(one.get("id")))

    return run


def calling(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def in_order(variables: dict[str, str], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask one thing after the other: what is under way when the input ends is given up."""
    with subprocess.Popen(program(), env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        to_server, from_server = pipes(server)
        answers = []
        for message in messages:
            to_server.write(json.dumps(message).encode() + b"\n")
            to_server.flush()
            if "id" in message:
                answers.append(json.loads(from_server.readline()))
        to_server.close()
        assert from_server.read() == b""
        assert server.wait(60) == 0
    return answers


def pipes(server: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert server.stdin is not None
    assert server.stdout is not None
    return server.stdin, server.stdout


def test_the_handshake_era_is_served_and_the_end_of_the_input_ends_it(variables) -> None:
    answers = in_order(
        variables,
        INITIALIZE,
        INITIALIZED,
        LIST,
        calling(2, "fs_write", path="f", content="x"),
        calling(3, "fs_read", path="g"),
        calling(4, "fs_raed", path="g"),
        calling(5, "fs_read", path=1, more=2),
    )
    begun, listed, written, failed, unknown, invalid = (answer["result"] for answer in answers)
    assert begun["serverInfo"]["name"] == "native_tools"
    assert {"fs_read", "fs_write", "data_validate"} <= {tool["name"] for tool in listed["tools"]}
    for tool in listed["tools"]:
        assert tool["title"]
        assert len(tool["annotations"]) == 4
        assert_described(tool["inputSchema"])
        assert_described(tool["outputSchema"])
    assert written["structuredContent"] == json.loads(written["content"][0]["text"])
    assert failed["isError"]
    assert "structuredContent" not in failed
    assert failed["_meta"]["error"] == {"message": failed["content"][0]["text"], "retryable": False}
    assert "Did you mean 'fs_read'?" in unknown["content"][0]["text"]
    assert "path: 1 is not of type" in invalid["content"][0]["text"]


def assert_described(schema: dict[str, Any]) -> None:
    """Each property at any depth says what it is, and no other is let in."""
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= set(schema["properties"])
    for about in schema["properties"].values():
        assert about["description"].endswith(".")
        for inner in (about, about.get("items", {})):
            if "properties" in inner:
                assert_described(inner)


# -- the modern era, whose usual requests are answered without the SDK -----------------------------------------------

PREFIX = "io.modelcontextprotocol/"
ENVELOPE: dict[str, Any] = {
    f"{PREFIX}protocolVersion": "2026-07-28",
    f"{PREFIX}clientInfo": {"name": "t", "version": "1"},
    f"{PREFIX}clientCapabilities": {},
}


def modern(number: int | str, method: str, meta: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": method,
        "params": {**params, "_meta": ENVELOPE if meta is None else meta},
    }


#: Of no method of this era: from here on the SDK answers.
ODD = modern("odd", "ping")
WITHOUT_CLIENT = {key: value for key, value in ENVELOPE.items() if not key.endswith("clientInfo")}
USUAL = [
    modern(1, "server/discover"),
    modern("2", "tools/list"),
    modern(3, "tools/list", {**WITHOUT_CLIENT, "progressToken": "p", "traceparent": "00-1-2-3", "mine": [1.5, None]}),
    modern(4, "tools/call", name="fs_read", arguments={"path": "f"}),
    modern(5, "tools/call", name="fs_read", arguments={"path": "f", "offset": 1.0, "length": 2}),
    modern(6, "tools/call", name="fs_read"),
    modern(7, "tools/call", name="fs_read", arguments={"path": 10**30, "more": 1e300}),
    modern(8, "tools/call", name="fs_read", arguments={"path": "none"}),
    modern(9, "tools/call", name="fs_raed", arguments={"path": "é\u0000😀"}),
    modern("a" * 200, "tools/call", name="data_validate", arguments={"data": [10**30, 0.1], "schema": {}}),
]


def test_the_modern_era_is_answered_as_by_the_sdk(variables, workspace) -> None:
    (workspace / "f").write_text("text")
    ours = in_order(variables, *USUAL)
    odd, *theirs = in_order(variables, ODD, *USUAL)
    assert odd["error"] == {"code": -32601, "message": "Method not found", "data": "ping"}
    assert ours == theirs
    assert [one["result"]["isError"] for one in ours[3:]] == [False, False, True, True, True, True, False]


@pytest.mark.parametrize(
    "odd",
    [
        modern(1, "tools/list", {}),
        modern(1, "tools/list", {**ENVELOPE, f"{PREFIX}protocolVersion": "2099-01-01"}),
        modern(1, "tools/list", {**ENVELOPE, f"{PREFIX}clientCapabilities": 1}),
        modern(1, "tools/list", {**ENVELOPE, f"{PREFIX}clientInfo": {"name": 1, "version": "1"}}),
        modern(1, "tools/list", {**ENVELOPE, "progressToken": True}),
        modern(1, "tools/list", cursor="x"),
        modern(1, "tools/call"),
        modern(1, "tools/call", name=1),
        modern(1, "tools/call", name="fs_read", arguments=[]),
        modern("b" * 201, "tools/list"),
        modern(10**30, "tools/list"),
        modern(1, "subscriptions/listen", notifications={"toolsListChanged": True}),
        {**modern(1, "tools/list"), "more": 1},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": True}},
        '{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {"a": NaN}}}',
        r'{"jsonrpc": "2.0", "id": "\ud83d", "method": "tools/list", "params": {"_meta": {}}}',
        "[" * 100_000,
        INITIALIZE,
    ],
)
def test_what_is_unusual_about_a_request_is_left_to_the_sdk(odd) -> None:
    assert read((odd if isinstance(odd, str) else json.dumps(odd)).encode()) is None


def test_from_the_first_unusual_request_on_the_sdk_answers(variables) -> None:
    begun, wrong = modern("first", "server/discover"), modern(1, "tools/list", {})
    expected = in_order(variables, ODD, begun, wrong, INITIALIZE, begun)[1:]
    assert in_order(variables, begun, wrong, INITIALIZE, begun) == expected
    assert [one["error"]["code"] for one in expected[1:3]] == [-32602, -32022]


def test_a_client_of_the_handshake_era_may_not_change_to_the_modern_one(variables) -> None:
    begun, refused = in_order(variables, INITIALIZE, INITIALIZED, modern(1, "tools/list"))
    assert begun["result"]["protocolVersion"] == "2025-11-25"
    assert refused["error"]["code"] == -32600


@pytest.mark.parametrize("first", [[], [ODD]], ids=["ours", "sdk"])
def test_a_call_is_cancelled_by_its_client_and_given_up_at_the_end(variables, first) -> None:
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "7", "reason": "r"}}
    more = {**variables, "NATIVE_TOOLS_ALLOWED_HOSTS": "127.0.0.1"}
    with (
        socket.create_server(("127.0.0.1", 0)) as site,
        subprocess.Popen(program(), env=more, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
    ):
        site.settimeout(60)
        to_server, from_server = pipes(server)

        def say(*messages: dict[str, Any]) -> None:
            to_server.write(b"".join(json.dumps(one).encode() + b"\n" for one in messages))
            to_server.flush()

        def begin(number: int) -> socket.socket:
            """Call what is never answered; return where it waits."""
            asked = {"method": "GET", "url": f"http://127.0.0.1:{site.getsockname()[1]}/"}
            say(modern(number, "tools/call", name="http_request", arguments=asked))
            return site.accept()[0]

        say(*first)
        with begin(7) as cancelled, begin(8) as given_up:
            say(cancel)
            while cancelled.recv(4096):
                pass
            to_server.close()
            answers = [json.loads(line) for line in from_server]
            while given_up.recv(4096):
                pass
        assert server.wait(60) == 0
    closed = {"jsonrpc": "2.0", "id": 8, "error": {"code": -32000, "message": "Connection closed"}}
    assert [one for one in answers if one["id"] != "odd"] == [closed]


def test_a_client_that_reads_no_more_costs_no_words(variables) -> None:
    with subprocess.Popen(
        program(), env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        to_server, from_server = pipes(server)
        from_server.close()
        for number in range(20):
            to_server.write(json.dumps(modern(number, "server/discover")).encode() + b"\n")
        to_server.close()
        assert server.wait(60) == 0
        assert server.stderr is not None
        assert server.stderr.read() == b""


def test_lines_that_are_no_messages_cost_nothing(talk) -> None:
    answers = talk("nonsense", '{"jsonrpc": "2.0"}', "\udcff".encode(errors="replace").decode(), INITIALIZE)
    assert answers[-1].get("result") or answers[0].get("result")


@pytest.mark.parametrize(
    ("line", "number", "code", "part"),
    [
        (
            r'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"fs_read","arguments":{"path":"\ud800"}}}',
            7,
            -32600,
            "half of a surrogate pair",
        ),
        ('{"jsonrpc": "1.0", "id": "a", "method": "ping"}', "a", -32600, "no request of JSON-RPC 2.0"),
        ('[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', None, -32600, "no request of JSON-RPC 2.0"),
        *(
            ('{"jsonrpc": "2.0", "id": %s, "method": "tools/list"}' % one, None, -32600, "a text or a whole number")
            for one in ("[1]", '{"a": 1}', "true", "1.5", "null")
        ),
        ("nonsense", None, -32700, "not JSON"),
        ("[" * 100_000, None, -32700, "not JSON"),
    ],
)
def test_whoever_waits_for_the_answer_to_no_message_gets_one(talk, line: str, number, code: int, part: str) -> None:
    (told,) = [one for one in talk(line, INITIALIZE) if "error" in one]
    assert (told["id"], told["error"]["code"]) == (number, code)
    assert part in told["error"]["message"]


@pytest.mark.parametrize(
    ("before", "after", "number"),
    [
        ('{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":"', '"}}', 7),
        ('{"method": "ping", "params": {"a": "', '"}, "jsonrpc": "2.0", "id": "x-7"}', "x-7"),
        ('{"method": "ping", "params": {"a": "', '", "id": 7}}', None),
    ],
)
def test_a_message_that_is_too_long_is_refused_under_its_id(talk, before: str, after: str, number) -> None:
    (told,) = [one for one in talk(before + "x" * (64 * 1024 * 1024) + after, INITIALIZE) if "error" in one]
    assert (told["id"], told["error"]["code"]) == (number, -32600)
    assert "longer than 67108864 bytes" in told["error"]["message"]


@pytest.mark.parametrize("line", ['{"jsonrpc": "2.0"}', '{"id": 3, "result": 1}', '{"method": "notifications/x"}'])
def test_nobody_is_answered_who_waits_for_nothing(talk, line: str) -> None:
    assert [one["id"] for one in talk(line, INITIALIZE)] == [0]


def test_input_may_be_a_file(variables, tmp_path) -> None:
    (tmp_path / "in").write_text(json.dumps(INITIALIZE) + "\n")
    with (tmp_path / "in").open() as given:
        done = subprocess.run(
            program(module="native_tools.server"),
            stdin=given,
            env=variables,
            capture_output=True,
            timeout=60,
            check=True,
        )
    assert json.loads(done.stdout)["result"]["serverInfo"]["name"] == "native_tools"


def test_nothing_but_the_protocol_can_reach_its_output(variables, workspace) -> None:
    with subprocess.Popen(
        program(), env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        to_server, from_server = pipes(server)
        to_server.write(json.dumps(INITIALIZE).encode() + b"\n")
        to_server.flush()
        assert b"serverInfo" in from_server.readline()
        places = [str(Path(f"/proc/{server.pid}/fd/{number}").readlink()) for number in (0, 1, 2)]
        to_server.close()
    assert places[0] == "/dev/null"
    assert places[1] == places[2]


@pytest.mark.parametrize(
    ("arguments", "more", "part"),
    [
        (("--enable", "fs_raed"), {}, "Did you mean 'fs_read'?"),
        (("--transport", "http", "--port", "99999"), {}, "0 to 65535"),
        (("--port", "8081"), {}, "say --transport http too"),
        ((), {"NATIVE_TOOLS_PORT": "http"}, "NATIVE_TOOLS_PORT is 'http'"),
        ((), {"NATIVE_TOOLS_PROTECTED": "[1]"}, "NATIVE_TOOLS_PROTECTED is no JSON list"),
        (("--transport", "http", "--host", "0.0.0.0"), {}, "say --insecure"),
        (("--transport", "http", "--host", "::"), {}, "say --insecure"),
        (("--transport", "http", "--host", "192.0.2.1", "--insecure"), {}, "cannot listen at 192.0.2.1:8081"),
    ],
)
def test_what_it_is_told_wrong_ends_it_with_the_reason(variables, arguments, more, part) -> None:
    done = subprocess.run(
        program(*arguments), env={**variables, **more}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in {1, 2}
    assert part in done.stderr
    assert done.stdout == ""


def test_only_what_is_enabled_is_offered(variables) -> None:
    more = {**variables, "NATIVE_TOOLS_ENABLED": '["fs_r*", "data"]'}
    listed = in_order(more, INITIALIZE, INITIALIZED, LIST)[-1]["result"]["tools"]
    names = [tool["name"] for tool in listed]
    assert names[:2] == ["fs_read", "data_validate"]
    assert "fs_write" not in names


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    """Return where a server over HTTP listens, for several tests."""
    variables = {"PATH": os.environ["PATH"], "WORKSPACE_DIR": str(tmp_path_factory.mktemp("workspace"))}
    command = program("--transport", "http", "--port", "0", "--server-name", "tools.test")
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", server.stderr.readline())
        assert found is not None
        yield int(found[1])
        server.terminate()
        assert server.wait(60) in {0, -15}


def asked(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("transport", [None, "http"])
async def test_aels_own_client_calls_it_over_http(port: int, transport) -> None:
    config = ServerConfig(url=f"http://127.0.0.1:{port}/mcp", transport=transport)
    catalog = ToolCatalog([McpServer("s", config)], {"s": config})

    async def record(report: object) -> None:
        pass

    context = CallContext(scope=("*",), record=record, key="exec-1/step", resolved={})
    try:
        gateway = Gateway(catalog)
        await gateway.call("fs_write", {"path": "f", "content": "x" * 5_000_000}, context)
        found = await gateway.call("fs_read", {"path": "f"}, context)
    finally:
        await catalog.close()
    assert isinstance(found, dict)
    assert found["size"] == 5_000_000


def test_its_health_can_be_asked(port: int) -> None:
    status, body = asked(port, "/health")
    assert status == 200
    assert json.loads(body)["status"] == "ok"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "tools.test"}, 200),
        ({"Host": "10.0.0.1:8081"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "rebound.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://203.0.113.1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "tools.test", "Origin": "https://tools.test"}, 200),
    ],
)
def test_foreign_pages_and_names_are_refused(port: int, headers, status) -> None:
    assert asked(port, "/health", **headers)[0] == status
    assert asked(port, "/mcp", **headers)[0] == (status if status != 200 else 406)
