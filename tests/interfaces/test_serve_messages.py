"""Messages that `ael serve` refuses: it says what is wrong, where, and what to do, in the words of the protocol."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.interfaces.mcp.messages import Fault, fault_of, read_message

BATCH = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in (1, 2)]
HEADERS = {"Content-Type": "application/json"}

#: An id that no answer can hold: half a surrogate pair.
HALF = rb'{"jsonrpc": "2.0", "id": "\ud800", "method": "ping"}'

#: What msgspec takes for no message at all.
HUGE = b'{"jsonrpc": "2.0", "id": 1e400, "method": "ping"}'

#: What must not be told to anybody: words of libraries, and what a client itself has sent.
STRANGE = ("pydantic", "JSONRPC", "errors.", "type=", "Params", "msgspec", "Traceback", "y" * 300)

REFUSED: list[tuple[Any, int | str | None, str]] = [
    (BATCH, None, "a batch of messages is not part of MCP, send each by itself"),
    (7, None, "a message is an object"),
    ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, 1, "'jsonrpc' must be \"2.0\""),
    ({"jsonrpc": "2.0", "id": None, "method": "ping"}, None, "'id' must be a string or a whole number"),
    ({"jsonrpc": "2.0", "id": [1], "method": "ping"}, None, "'id' must be a string or a whole number"),
    ({"jsonrpc": "2.0", "id": "a", "method": "ping", "params": [1]}, "a", "'params' must be an object"),
    ({"jsonrpc": "2.0", "id": "a", "method": "y" * 9000}, "a", "'method' is longer than 200 characters"),
]

PARAMS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("tools/call", {}, ["params.name is missing"]),
    ("tools/call", {"name": 7, "arguments": "y" * 9000}, ["params.name must be a string", "arguments must be an obj"]),
    ("tools/call", {"name": "x", "_meta": {"progressToken": [["y" * 9000]]}}, ["params._meta.progressToken must be"]),
    ("tools/list", {"cursor": ["y" * 9000]}, ["params.cursor must be a string"]),
    ("resources/read", {"url": "ael://workflows/x"}, ["params.uri is missing"]),
    ("resources/read", {"uri": {"y" * 9000: 1}}, ["params.uri must be a"]),
]


@pytest.mark.parametrize("era", ["handshake", "modern"])
async def test_what_is_no_message_is_refused_in_words_of_the_protocol_over_http(project, era: str) -> None:
    async with project.over_http() as url, httpx2.AsyncClient(timeout=60) as client:
        headers, envelope = await project.opened(client, url, era)
        for sent, number, wrong in REFUSED:
            answer = await client.post(url, json=sent, headers={**headers, "Mcp-Method": "ping"})
            assert answer.status_code == 400
            assert answer.json()["id"] == number
            told(answer.json()["error"], -32600, [wrong, "Send one object such as"])
        half = await client.post(url, content=HALF, headers={**headers, **HEADERS})
        assert (half.status_code, half.json()["id"]) == (400, None)
        told(half.json()["error"], -32600, ["it holds what strict JSON cannot"])
        huge = await client.post(url, content=HUGE, headers={**headers, **HEADERS})
        told(huge.json()["error"], -32600, ["it holds a number that is too large"])
        broken = await client.post(url, content=b'{"jsonrpc": "2.0", "id": 1,', headers={**headers, **HEADERS})
        assert broken.status_code == 400
        told(broken.json()["error"], -32700, ["Parse error"])
        for method, params, why in PARAMS:
            name = params.get("name", params.get("uri"))
            more = {"Mcp-Method": method} | ({"Mcp-Name": name} if isinstance(name, str) else {})
            sealed = {**params, "_meta": {**envelope, **params.get("_meta", {})}} if envelope else params
            body = {"jsonrpc": "2.0", "id": 3, "method": method, "params": sealed}
            answer = await client.post(url, json=body, headers={**headers, **more})
            error = message_of(answer)["error"]
            if error["code"] != -32020:
                # Of what the header repeats, the modern era says that first.
                told(error, -32602, [*why, f"Send {method} as MCP defines it in 20"])
    assert "Traceback" not in project.errors


async def test_what_is_no_message_is_refused_in_words_of_the_protocol_over_stdio(project) -> None:
    async with project.raw() as raw:
        for sent, number, wrong in REFUSED:
            raw.running.stdin.write(json.dumps(sent).encode() + b"\n")
            answer = await raw.read()
            assert answer["id"] == number
            told(answer["error"], -32600, [wrong])
        raw.running.stdin.write(HALF + b"\n")
        answer = await raw.read()
        assert answer["id"] is None
        told(answer["error"], -32600, ["it holds what strict JSON cannot"])
        raw.running.stdin.write(HUGE + b"\n")
        told((await raw.read())["error"], -32600, ["it holds a number that is too large"])
        for method, params, why in PARAMS:
            told((await raw.ask(method, params))["error"], -32602, [*why, f"Send {method} as MCP defines it in 2025"])
    async with project.process() as running:
        running.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}\n')
        told(json.loads(await running.stdout.readline())["error"], -32602, ["send 'initialize' first"])


async def test_what_a_library_says_is_a_line_of_our_log(project) -> None:
    project.configure({"logging": {"format": "json"}})
    async with project.raw() as raw:
        raw.tell("notifications/cancelled", {"requestId": {"no": "id"}})
        await raw.ask("ping")
        await project.said("malformed params")
    said = [json.loads(line) for line in project.errors.splitlines() if "malformed params" in line]
    assert [(one["level"], one["logger"].partition(".")[0]) for one in said] == [("WARNING", "mcp")]


def message_of(answer: httpx2.Response) -> dict[str, Any]:
    """Return the last message of an answer, which is JSON or a stream of events."""
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith(("{", "data: {"))]
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def told(error: dict[str, Any], code: int, words: list[str]) -> None:
    """Check that an error says this, and nothing that is not the reader's business."""
    assert error["code"] == code, error
    for one in words:
        assert one in error["message"], error
    assert all(one not in json.dumps(error) for one in STRANGE), error
    assert len(error["message"]) < 400


WORDS = st.text() | st.text(st.characters(categories=["Cs", "L"]))
IDS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | WORDS | st.just([1])
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2]),
        "id": IDS,
        **{part: st.just({}) | IDS for part in ("method", "params", "result", "error")},
    },
)


@given(
    MESSAGES.map(lambda one: json.dumps(one).encode())
    | MESSAGES.map(lambda one: json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | st.binary()
)
def test_whatever_is_no_message_is_refused_with_an_answer_that_can_be_sent(data: bytes) -> None:
    for read in (read_message(data), fault_of(data)):
        if isinstance(read, Fault):
            assert json.loads(read.answer())["error"]["message"]
