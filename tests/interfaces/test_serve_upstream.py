"""Tools of servers through `ael serve`: under their catalog names, unchanged, on record."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from ael.app.serving.names import safe_name

SERVERS = Path(__file__).parents[1] / "tools/servers"


def hostile(way: str, **more: Any) -> dict[str, Any]:
    return {
        "command": sys.executable,
        "args": [str(SERVERS / "hostile.py"), way],
        "startup_timeout": 60,
        "timeout": 60,
        **more,
    }


async def test_results_and_definitions_of_a_server_pass_through_unchanged(project) -> None:
    project.configure({"mcp": {"servers": {"s": hostile("rich")}}, "tools": {"builtins": []}})
    async with project.raw() as raw:
        listed = {tool["name"]: tool for tool in await raw.tools("act")}
        assert listed["act"]["title"] == "Act"
        assert listed["act"]["icons"] == [{"src": "data:,"}]
        assert listed["act"]["_meta"] == {"a": 1}
        result = await raw.call("act", {"n": 1})
        kinds = [block["type"] for block in result["content"]]
        assert kinds == ["text", "image", "resource_link", "resource", "resource"]
        assert result | {"content": result["content"][:3]} == {
            "content": [
                {
                    "type": "text",
                    "text": "seen",
                    "annotations": {"audience": ["user"]},
                    "_meta": {"k": 1},
                    "unknown": [1.0],
                },
                {"type": "image", "data": "aGk=", "mimeType": "image/png"},
                {"type": "resource_link", "uri": "file:///x", "name": "x", "size": 3},
            ],
            "structuredContent": {"n": 1.0},
            "isError": False,
            "_meta": {"trace": "t"},
            "raw": "mine",
        }
        assert (await raw.call("s__act", {"n": 2}))["_meta"] == {"trace": "t"}


async def test_errors_and_progress_of_a_server_pass_through_unchanged(project) -> None:
    project.configure({"mcp": {"servers": {"e": hostile("error"), "p": hostile("progress")}}})
    async with project.raw() as raw:
        await raw.tools("e__act", "p__act")
        assert await raw.call("e__act") == {"isError": True, "content": [{"type": "text", "text": "no such thing"}]}
        await raw.call("p__act", progressToken="mine")
        told = [one["params"] for one in raw.notifications if one["method"] == "notifications/progress"]
        assert told == [
            {"progressToken": "mine", "progress": 1, "total": 2, "message": "step 1"},
            {"progressToken": "mine", "progress": 2, "total": 2, "message": "step 2"},
        ]
        wrong = await raw.call("e__act", {"n": "text"})
        assert wrong["_meta"]["error"]["code"] == "PARAM_INVALID"


async def test_tools_that_cannot_be_used_are_told_once(project) -> None:
    project.configure({"mcp": {"servers": {"s": hostile("broken_tools")}}, "tools": {"builtins": []}})
    async with project.raw() as raw:
        assert "broken" not in [tool["name"] for tool in await raw.tools("act")]
    said = re.findall(r"server 's': (\d+) of its tools cannot be used: (.*)", project.errors)
    assert len(said) == 1
    assert "'broken': its schema" in said[0][1]


async def test_a_tool_whose_name_agents_cannot_use_is_told_with_the_reason_and_listed_for_people(project, ael) -> None:
    project.configure({"mcp": {"servers": {"s": hostile("names")}}, "tools": {"builtins": []}})
    why = "its name is not 1 to 128 letters, digits and _ - . / :"
    async with project.raw() as raw:
        listed = [tool["name"] for tool in await raw.tools("act")]
        assert listed == ["workflow:quick", "act"]
        # The same list again is no news; another tool that cannot be used is.
        for number in (1, 2):
            await raw.call("act", {"n": number})
            await project.said(f"cannot be used: 'not so {number}': {why}", raw.running)
    assert project.errors.count(why) == 4
    assert f"'with space': {why}; " in project.errors
    rows = {row["name"]: row for row in json.loads(ael("tools", "list", "--json").stdout)["tools"]}
    assert (rows["with space"]["status"], rows["with space"]["reason"]) == ("unavailable", why)


@pytest.mark.slow
async def test_a_tool_of_a_server_that_still_starts_is_not_simply_unknown(project) -> None:
    silent = {"command": sys.executable, "args": ["-c", "import sys; sys.stdin.read()"]}
    project.configure({"mcp": {"servers": {"s": silent}}, "tools": {"builtins": []}})
    async with project.raw() as raw:
        listing = raw.send("tools/list")
        unknown = await raw.ask("tools/call", {"name": "act", "arguments": {}})
        assert "Tools of s are not listed yet" in unknown["error"]["message"]
        if all(one.get("id") != listing for one in raw.notifications):
            await raw.answer(listing)
    assert project.errors.count("still starting: s") == 1


async def test_what_an_agent_called_is_on_record_like_any_execution(project, ael) -> None:
    project.configure({"mcp": {"servers": {"s": hostile("plain")}}})
    async with project.raw() as raw:
        await raw.tools("act")
        await raw.call("act", {"n": 5})
        await raw.call("workflow:quick", {"who": "Eve"})
    rows = json.loads(ael("executions", "list", "--json").stdout)
    shown = [(row["workflow"], row["version"], row["status"]) for row in rows]
    assert shown == [("quick", "1.0", "completed"), ("tool-call", "s__act", "completed")]
    latest = ael("executions", "list", "--limit", "1")
    assert latest.stdout.endswith("  quick 1.0  for mcp:raw\n")
    assert [row["principal"] for row in rows] == ["mcp:raw", "mcp:raw"]
    recorded = json.loads(ael("executions", "show", rows[0]["execution_id"], "--json").stdout)
    assert (rows[0]["started_at"], rows[0]["completed_at"]) == (recorded["started_at"], recorded["completed_at"])
    assert "there are older ones" in latest.stderr
    assert "older" not in ael("executions", "list", "--limit", "2").stderr
    named = ael("executions", "list", "--workflow", "quick", "--status", "completed", "--since", "1h").stdout
    assert re.fullmatch(r"exec-\w+  completed  \S+  quick 1.0  for mcp:raw\n", named)
    assert ael("executions", "list", "--since", "2000-01-01", "--until", "2001-01-01T00:00Z").stdout == ""
    assert "is no time" in ael("executions", "list", "--since", "yesterday").stderr
    whole = ael("executions", "show", rows[1]["execution_id"], "--trace")
    assert whole.stderr == ""
    for part in ("tool-call s__act  completed", "for mcp:raw", "✓ call", "call 1 s__act: {", '"n": 5', "result: {"):
        assert part in whole.stdout
    shown = json.loads(ael("executions", "show", rows[1]["execution_id"], "--json").stdout)
    assert shown["principal"] == "mcp:raw"
    assert shown["steps"][0]["inputs"] == {"n": 5}


async def test_a_server_that_fails_does_not_stop_the_others_and_its_error_is_told(project) -> None:
    project.configure({"mcp": {"servers": {"bad": hostile("exit"), "good": hostile("plain")}}})
    async with project.raw() as raw:
        names = [tool["name"] for tool in await raw.tools("act")]
        assert names == ["workflow:quick", "act", "python_exec"]
        said = await project.said("Failed to connect to MCP server: server 'bad'.*", raw.running)
    assert "cannot find the license" in said


@pytest.mark.parametrize(
    ("exposed", "names"), [("none", []), (["one__*"], ["one__act"]), ("all", ["one__act", "two__act"])]
)
async def test_the_configuration_says_which_tools_of_servers_agents_see(project, exposed, names: list[str]) -> None:
    servers = {"one": hostile("plain"), "two": hostile("plain")}
    project.configure({"mcp": {"servers": servers, "expose_tools": exposed}, "tools": {"builtins": []}})
    async with project.raw() as raw:
        listed = [tool["name"] for tool in await raw.tools(*names)]
        assert listed == ["workflow:quick", *names]
        hidden = await raw.ask("tools/call", {"name": "two__act", "arguments": {}})
        assert ("error" in hidden) is ("two__act" not in names)


async def test_code_of_an_agent_calls_only_the_tools_that_the_agent_sees(project) -> None:
    servers = {"one": hostile("plain"), "two": hostile("plain")}
    project.configure({"mcp": {"servers": servers, "expose_tools": ["one__*"]}})
    async with project.raw() as raw:
        await raw.tools("one__act")
        seen = await raw.call("python_exec", {"code": 'return await tools.call("one__act", {"n": 3})'})
        assert seen["structuredContent"]["got"] == {"n": 3}
        hidden = await raw.call("python_exec", {"code": 'return await tools.call("two__act", {"n": 3})'})
        assert hidden["isError"]
        assert hidden["_meta"]["error"]["code"] == "TOOL_REJECTED"
        assert "Did you mean 'one__act'?" in hidden["content"][0]["text"]


async def test_code_of_an_agent_calls_a_tool_by_every_name_that_the_tool_itself_has(project) -> None:
    project.configure({"mcp": {"servers": {"one": hostile("plain", prefix="a.b "), "two": hostile("plain")}}})
    async with project.raw() as raw:
        for name in ("a.b act", safe_name("a.b act"), "one__a.b act", "act", "two__act"):
            asked = {"code": f"return await tools.call({name!r}, {{'n': 3}})"}
            assert (await raw.call("python_exec", asked))["structuredContent"]["got"] == {"n": 3}
            assert (await raw.call(name, {"n": 3})).get("isError") is not True


async def test_a_program_that_asks_for_a_tool_of_an_endless_name_is_told_so(project) -> None:
    project.configure({"mcp": {"servers": {"one": hostile("plain")}}})
    async with project.raw() as raw:
        told = await raw.call("python_exec", {"code": "return await tools.call('x' * 5_000_000)"})
        error = told["_meta"]["error"]
        assert error["code"] == "TOOL_REJECTED"
        assert error["tool_name"].startswith("xxx")
        assert len(told["content"][0]["text"]) < 2000
        caught = "try:\n    call_tool('y' * 5_000, {})\nexcept ToolError as error:\n    return error.code"
        assert (await raw.call("python_exec", {"code": caught}))["structuredContent"] == {"result": "TOOL_REJECTED"}


async def test_an_agent_whose_program_takes_too_long_is_told_what_it_can_do(project) -> None:
    project.configure({"python_exec": {"timeout": 1}})
    async with project.raw() as raw:
        told = await raw.call("python_exec", {"code": "while True: pass"})
        assert told["_meta"]["error"]["code"] == "CODE_TIMEOUT"
        assert "split the work over several" in told["content"][0]["text"]
        assert "step" not in told["content"][0]["text"]


async def test_what_is_wrong_with_the_code_of_an_agent_is_told_by_its_own_lines(project) -> None:
    project.configure({})
    async with project.raw() as raw:
        refused = await raw.call("python_exec", {"code": "import math\nimport os\nreturn 1"})
        assert (
            "python_exec:2:1: error: the import of 'os' is not allowed\n  import os\n  ^"
            in refused["content"][0]["text"]
        )
        unread = await raw.call("python_exec", {"code": "'x'; return 'a"})
        said = unread["content"][0]["text"]
        assert "python_exec:1:13: error" in said
        assert "params" not in said
        listed = (await raw.ask("tools/list"))["result"]["tools"]
        words = next(tool for tool in listed if tool["name"] == "python_exec")["inputSchema"]["properties"]["code"]
        assert "await tools.call(NAME, {…})" in words["description"]


async def test_a_list_that_a_server_changes_changes_ours(project) -> None:
    project.configure({"mcp": {"servers": {"s": hostile("changes")}}})
    async with project.raw() as raw:
        before = after = [tool["name"] for tool in await raw.tools("act")]
        await raw.call("act")
        # The server names its tool anew for each list, and is asked more than once where its storm lasts.
        while after == before:
            await raw.told_of_changes()
            after = [tool["name"] for tool in await raw.tools()]
        assert len(after) == len(before)
