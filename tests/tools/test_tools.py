"""Servers as processes, honest and hostile; names; the gateway as the only way."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ael.errors import AelError, ParamInvalid
from ael.observe.masking import Masker
from ael.tools import CallContext, ToolCallEnded, ToolCallStarted, ToolInfo, ToolRef
from ael.tools.catalog import ToolCatalog
from ael.tools.gateway import IDEMPOTENCY_KEY, Gateway
from ael.tools.last_seen import LastSeen
from ael.tools.scripted import ScriptedTools
from ael.tools.servers import McpServer, ServerConfig, ToolFilter
from ael.tools.stdio import ProcessPeer

HOSTILE = str(Path(__file__).parent / "servers" / "hostile.py")
BIN = Path(sys.executable).parent


def hostile(way: str, **more: Any) -> ServerConfig:
    limits = {"startup_timeout": 60, "timeout": 60, **more}
    return ServerConfig(command=sys.executable, args=(HOSTILE, way), **limits)


class Calls:
    """A gateway over servers, with what it recorded."""

    def __init__(self, catalog: ToolCatalog, scope: tuple[str, ...] = ("*",)) -> None:
        self.gateway = Gateway(catalog)
        self.recorded: list[ToolCallStarted | ToolCallEnded] = []
        self.context = CallContext(scope=scope, record=self._record, key="exec-1/step", resolved={})

    async def _record(self, report: ToolCallStarted | ToolCallEnded) -> None:
        self.recorded.append(report)

    async def __call__(self, name: str, **params: Any) -> Any:
        return await self.gateway.call(name, params, self.context)

    async def error(self, name: str, **params: Any) -> AelError:
        with pytest.raises(AelError) as caught:
            await self(name, **params)
        return caught.value


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Calls]]:
    catalogs: list[ToolCatalog] = []

    def make(**configs: ServerConfig) -> Calls:
        catalogs.append(ToolCatalog([McpServer(name, config) for name, config in configs.items()], configs))
        return Calls(catalogs[-1])

    yield make
    for catalog in catalogs:
        await catalog.close()


async def test_real_servers_of_the_older_era_answer_through_the_gateway(serve) -> None:
    call = serve(time=ServerConfig(command=f"{BIN}/mcp-server-time --local-timezone UTC"))
    found = await call("convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo")
    assert found["target"]["datetime"].endswith("21:00:00+09:00")
    started, ended = call.recorded
    assert (started.resolved, ended.error) == ("time__convert_time", None)
    wrong = await call.error("time__convert_time", source_timezone="Nowhere", time="1:00", target_timezone="UTC")
    assert wrong.code == "TOOL_FAILED"
    assert "Nowhere" in wrong.detail


@pytest.mark.parametrize("way", ["plain", "modern", "slow_modern", "mute"])
async def test_both_eras_carry_parameters_and_the_idempotency_key(serve, way: str) -> None:
    call = serve(s=hostile(way))
    found = await call("act", n=4)
    assert found["got"] == {"n": 4}
    assert found["meta"][IDEMPOTENCY_KEY] == "exec-1/step/1"


@pytest.mark.parametrize(
    ("way", "code", "part"),
    [
        ("exit", "MCP_CONNECTION_FAILED", "cannot find the license"),
        ("silent", "MCP_CONNECTION_FAILED", "did not answer within"),
        ("garbage", "MCP_CONNECTION_FAILED", "did not answer within"),
        ("crash", "TOOL_UNAVAILABLE", "segmentation fault, sort of"),
        ("half", "TOOL_UNAVAILABLE", "went away"),
        ("silent_call", "TOOL_TIMEOUT", "did not answer in time"),
        ("bad_utf8", "TOOL_FAILED", "not valid"),
        ("not_json", "TOOL_FAILED", "not valid"),
        ("no_result", "TOOL_FAILED", "is not valid: it has neither a result nor an error"),
        ("error", "TOOL_FAILED", "no such thing"),
        ("wordless_error", "TOOL_FAILED", "the tool does not say why"),
        ("quota_error", "TOOL_FAILED", "RESOURCE_EXHAUSTED: quota"),
        ("odd_refusal", "TOOL_FAILED", "an error, and does not say which (code 0)"),
        ("http_404", "TOOL_FAILED", "404"),
    ],
)
async def test_what_a_server_does_wrong_is_said_as_it_is(serve, way: str, code: str, part: str) -> None:
    # A short time only for what never comes.
    limits = {"startup_timeout": 1 if "within" in part else 60}
    call = serve(s=hostile(way, **limits))
    call.context.timeout_seconds = 0.5 if code == "TOOL_TIMEOUT" else None
    error = await call.error("s__act", n=1)
    assert (error.code, part in error.detail) == (code, True), error
    assert error.retryable is (code != "TOOL_FAILED" or ("not valid" not in part and way != "http_404"))


async def test_a_dead_server_is_started_again_for_the_next_call(serve) -> None:
    call = serve(s=hostile("crash"))
    assert (await call.error("s__act")).code == "TOOL_UNAVAILABLE"
    assert (await call.error("s__act")).code == "TOOL_UNAVAILABLE"


@pytest.mark.parametrize(("way", "result"), [("wrong_id", "right"), ("twice", "first"), ("notify", "done")])
async def test_noise_costs_nothing(serve, way: str, result: str) -> None:
    call = serve(s=hostile(way))
    assert await call("s__act") == result
    assert await call("s__act") == result


async def test_large_results_pass_and_too_large_ones_fail_their_call(serve) -> None:
    call = serve(s=hostile("huge", max_result_bytes=2_000_000))
    assert len(await call("s__act", n=1_500_000)) == 1_500_000
    error = await call.error("s__act", n=5_000_000)
    assert (error.code, error.retryable) == ("TOOL_FAILED", False)
    assert len(await call("s__act", n=10)) == 10


async def test_a_server_that_ignores_signals_is_stopped_all_the_same() -> None:
    server = McpServer("s", hostile("stubborn"))
    await server.tools()
    assert server._client is not None
    peer = server._client.peer
    assert isinstance(peer, ProcessPeer)
    await server.close()
    async with asyncio.timeout(60):
        await peer.exited


async def test_broken_tools_are_left_out_and_noted(serve) -> None:
    server = McpServer("s", hostile("plain"))
    assert [info.ref.name for info in await server.tools()] == ["act"]
    assert set(server.broken) == {"broken", "None"}
    await server.close()


async def test_a_result_is_kept_as_the_server_gave_it_and_so_is_the_tools_definition() -> None:
    server = McpServer("s", hostile("rich"))
    (info,) = await server.tools()
    assert info.definition["title"] == "Act"
    assert info.definition["x-more"] == [1.0]
    result = await server.call("act", {}, timeout_seconds=None, meta={})
    assert result.raw["raw"] == "mine"
    assert result.raw["_meta"] == {"trace": "t"}
    assert result.raw["content"][0]["annotations"] == {"audience": ["user"]}
    assert (result.content[1].mime_type, result.structured_content) == ("image/png", {"n": 1.0})
    await server.close()


async def test_content_that_is_more_than_one_text_is_a_list_of_blocks(serve) -> None:
    call = serve(s=hostile("blocks"))
    assert await call("act") == [
        {"type": "text", "text": "seen"},
        {"type": "image", "mime_type": "image/png", "data": "aGk="},
        {"type": "resource_link", "uri": "file:///x", "name": "x"},
        {"type": "resource", "uri": "file:///y", "mime_type": "application/pdf", "data": "aGk="},
        {"type": "resource", "uri": "file:///z", "mime_type": "text/plain", "text": "z"},
    ]


async def test_a_call_carries_its_place_in_the_trace_of_its_execution(serve) -> None:
    call = serve(s=hostile("plain"))
    first = (await call("act"))["meta"]["traceparent"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)
    second = (await call("act"))["meta"]["traceparent"]
    assert first[:36] == second[:36]
    assert first != second


async def test_another_attempt_is_the_same_call_to_a_server(serve) -> None:
    call = serve(s=hostile("plain"))
    first = (await call("act", n=1))["meta"]
    # As the engine does for a retry, and for a resume in another process.
    call.context = CallContext(scope=("*",), record=call._record, key=call.context.key, attempt=2)
    second = (await call("act", n=1))["meta"]
    assert first[IDEMPOTENCY_KEY] == second[IDEMPOTENCY_KEY] == "exec-1/step/1"
    assert (first["ael/attempt"], second["ael/attempt"]) == (1, 2)
    assert first["traceparent"] != second["traceparent"]


async def test_all_violations_are_told_and_past_a_screenful_counted(serve) -> None:
    call = serve(s=hostile("plain"))
    await call.gateway._check_params("t", {}, ToolInfo(ref=ToolRef("s", "t")))
    schema: dict[str, Any] = {"type": "object", "properties": {f"p{at}": {"type": "integer"} for at in range(25)}}
    with pytest.raises(ParamInvalid) as caught:
        await call.gateway._check_params(
            "t", {f"p{at}": "x" for at in range(25)}, ToolInfo(ref=ToolRef("s", "t"), input_schema=schema)
        )
    assert caught.value.detail.count("is not of type") == 20
    assert caught.value.detail.endswith("; and 5 more")


async def test_the_names_of_a_server_that_is_down_stay_its_own(tmp_path: Path) -> None:
    seen = tmp_path / "state" / "seen"
    configs = {"one": hostile("plain"), "two": hostile("plain")}

    async def called(**changed: ServerConfig) -> AelError | None:
        now = {**configs, **changed}
        catalog = ToolCatalog([McpServer(name, one) for name, one in now.items()], now, last_seen=LastSeen(seen))
        try:
            await Calls(catalog)("act", n=1)
        except AelError as error:
            return error
        finally:
            await catalog.close()
        return None

    # Nobody knows yet what it offers.
    assert await called(one=hostile("exit")) is None
    assert (error := await called()) is not None
    assert error.code == "TOOL_UNAVAILABLE"
    assert (error := await called(one=hostile("exit"))) is not None
    assert error.code == "MCP_CONNECTION_FAILED"
    assert "server 'one' is down, and offered 'act' when it was last seen" in error.detail
    assert error.suggestion == "If another one is meant, name it: two__act."
    # A damaged memory is as good as none.
    for file in seen.iterdir():
        file.write_text("{")
    assert await called(one=hostile("exit")) is None


def test_what_two_processes_see_at_once_is_kept_of_both_and_without_secrets(tmp_path: Path) -> None:
    masker = Masker(["w0rd-one"])
    first, second = LastSeen(tmp_path / "seen"), LastSeen(tmp_path / "seen", masker=masker)
    # Each has looked before the other writes.
    assert not first.offered("two", "b")
    assert not second.offered("one", "a")
    first.keep("one", ["a"])
    second.keep("two/../x", ["b", "b_w0rd-one"])
    later = LastSeen(tmp_path / "seen", masker=masker)
    assert later.offered("one", "a")
    assert later.offered("two/../x", "b_w0rd-one")
    assert not later.offered("two/../x", "b_another")
    assert "w0rd" not in "".join(file.read_text() for file in (tmp_path / "seen").iterdir())


async def test_progress_is_told_in_order_while_the_call_runs(serve) -> None:
    call = serve(s=hostile("progress"))
    told: list[tuple[float, float | None, str | None]] = []
    call.context.on_progress = lambda *progress: told.append(progress)
    assert await call("s__act") == "done"
    assert told == [(1, 2, "step 1"), (2, 2, "step 2")]


async def test_a_storm_of_changes_is_told_once_and_the_list_is_read_again(clock) -> None:
    server = McpServer("s", hostile("changes"))
    catalog = ToolCatalog([server])
    told: asyncio.Queue[str] = asyncio.Queue()
    end = catalog.subscribe(told.put_nowait)
    # What comes together comes within a moment, however long the machine takes: a start, and a storm.
    clock.hold()
    assert [info.ref.name for info in await catalog.offered("s")] == ["act"]
    assert told.empty()
    clock.advance(1)
    assert await told.get() == "s"
    await server.call("act", {}, timeout_seconds=None, meta={})
    assert told.empty()
    clock.advance(1)
    assert await told.get() == "s"
    assert [info.ref.name for info in await catalog.offered("s")] == ["act2"]
    clock.advance(1)
    await asyncio.sleep(0)
    assert told.empty()
    clock.go_on()
    end()
    await catalog.close()


# -- names and the gateway -------------------------------------------------------------------------------------------


def scripted(**servers: dict[str, Any]) -> ToolCatalog:
    return ToolCatalog([ScriptedTools(answers, name=name) for name, answers in servers.items()])


async def test_a_bare_name_needs_one_owner_and_the_long_form_always_works() -> None:
    call = Calls(scripted(a={"x": 1, "only": 2}, b={"x": 3}))
    assert await call("only") == 2
    assert await call("b__x") == 3
    error = await call.error("x")
    assert (error.code, error.retryable) == ("TOOL_UNAVAILABLE", False)
    assert "a__x, b__x" in error.suggestion
    unknown = await call.error("onyl")
    assert "Did you mean 'only'?" in unknown.suggestion


async def test_a_failed_server_matters_only_to_names_it_might_offer() -> None:
    dead = McpServer("dead", ServerConfig(command="no-such-command-anywhere"))
    call = Calls(ToolCatalog([ScriptedTools({"x": 1}), dead]))
    assert await call("x") == 1
    error = await call.error("y")
    assert error.code == "MCP_CONNECTION_FAILED"
    assert "'no-such-command-anywhere' does not exist" in error.detail


async def test_include_exclude_and_prefix_shape_what_is_offered() -> None:
    config = ServerConfig(tools=ToolFilter(include=("read_*",), exclude=("read_secret",)), prefix="fs_")
    source = ScriptedTools({"read_file": 1, "read_secret": 2, "write": 3}, name="s")
    call = Calls(ToolCatalog([source], {"s": config}))
    assert await call("fs_read_file") == 1
    for hidden in ("fs_read_secret", "fs_write", "read_file"):
        assert (await call.error(hidden)).code == "TOOL_UNAVAILABLE"


async def test_nothing_outside_the_scope_is_called_and_the_refusal_is_recorded() -> None:
    source = ScriptedTools({"x": 1, "github__a": 2})
    call = Calls(ToolCatalog([source]), scope=("github__*",))
    assert (await call.error("x")).code == "TOOL_REJECTED"
    assert source.calls == []
    started, ended = call.recorded
    assert isinstance(started, ToolCallStarted)
    assert (started.tool, started.resolved) == ("x", "")
    assert isinstance(ended, ToolCallEnded)
    assert ended.error is not None
    assert ended.error.code == "TOOL_REJECTED"


async def test_parameters_are_checked_before_the_call_and_all_violations_listed() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "size": {"type": "integer", "minimum": 1}},
        "required": ["path"],
        "additionalProperties": False,
    }
    source = ScriptedTools({"read": 1}, schemas={"read": schema})
    call = Calls(ToolCatalog([source]))
    error = await call.error("read", size=0, pth="x")
    assert error.code == "PARAM_INVALID"
    assert error.detail.count("; ") == 2
    assert "Did you mean 'path'?" in error.suggestion
    assert source.calls == []
