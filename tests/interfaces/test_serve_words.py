"""A server says something to the agent in every field that it has: that stands in its own tools' words, or nowhere."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

MARKED = str(Path(__file__).parents[1] / "tools/servers/marked.py")
USABLE = ("good", "fails", "refuses", "lies", "silent")
BROKEN = ("no_object", "no_schema", "no_pattern", "no_reference", "twice")

#: Of a tool's definition: what AEL re-exposes as it is.
DEFINITION = {"title", "description", "annotations", "icons", "_meta"}
PROSE = {"title", "description", "$comment", "default", "x-note", "format", "examples"}

#: What a failed call may say: the tool's own answer, or the last words of its server that has gone.
OWN = {
    "good": {"result.good.text", "result.link", "result._meta"},
    "fails": {"result.fails.text", "result.link", "result._meta"},
    "refuses": {"error.message", "error.data"},
    "lies": {"lie.value"},
    "silent": {"last.words", "stderr.line", "stderr.start"},
}


def marks(said: object) -> set[str]:
    """Return the fields of the server whose text is in something."""
    return set(re.findall(r"MARK<([^>]*)>", said if isinstance(said, str) else json.dumps(said)))


def workflow(tool: str, name: str = "", n: int = 5) -> str:
    step = f"{{id: a, tool: {tool}, params: {{n: {n}}}}}"
    return f"name: {name or f'w-{tool}'}\nversion: 1\nsteps: [{step}]\noutput: '{{{{ steps.a.output }}}}'\n"


def arrange(project) -> None:
    server = {"command": sys.executable, "args": [MARKED], "startup_timeout": 60, "timeout": 60}
    project.configure({"mcp": {"authoring": True, "config_tools": True, "servers": {"m": server}}})
    for tool in (*USABLE, *BROKEN):
        project.write(f"{tool}.yaml", workflow(tool, f"w-{tool.replace('_', '-')}"))


async def test_words_of_a_server_are_in_the_definitions_and_results_of_its_own_tools_only(project) -> None:
    arrange(project)
    async with project.raw("-vv") as raw:
        listed = {one["name"]: one for one in await raw.tools(*USABLE)}
        assert not set(BROKEN) & set(listed)
        for name, entry in listed.items():
            mine = {f"tools.{name}.{one}" for one in DEFINITION}
            mine |= {f"tools.{name}.{schema}.{one}" for schema in ("inputSchema", "outputSchema") for one in PROSE}
            assert marks(entry) <= (mine if name in USABLE else set()), name
        assert f"tools.good.inputSchema.{min(PROSE)}" in marks(listed["good"])
        for name in USABLE:
            result = await raw.ask("tools/call", told(name, {"n": 5}))
            assert marks(result) <= OWN[name], name
            assert marks(result)
            # Only what the caller asked for: no log, no request, no stray news.
            assert marks(raw.notifications) == {"progress.message"}
            raw.notifications.clear()
        for method in ("resources/list", "resources/templates/list"):
            assert marks(await raw.ask(method)) == set()
    assert marks(project.errors) == set()


async def test_no_error_of_ours_and_no_tool_of_ours_repeats_the_words_of_a_server(project) -> None:
    arrange(project)
    async with project.raw("-vv") as raw:
        await raw.tools(*USABLE)
        calls: tuple[tuple[str, dict[str, Any]], ...] = (
            ("good", {"n": 1}),
            ("good", {"n": "x"}),
            ("good", {"q": 1}),
            ("m__good", {}),
            ("goood", {}),
            *((f"m__{one}", {"n": 5}) for one in BROKEN),
            ("config_get", {}),
            ("config_validate", {}),
            ("config_diff", {}),
            *(("workflow_validate", {"definition": workflow(one, "w", 1)}) for one in (*USABLE, *BROKEN, "goood")),
            *((f"workflow:w-{one.replace('_', '-')}", {}) for one in BROKEN),
            *(("tool_schema", {"name": one}) for one in (*BROKEN, "goood")),
            *(("python_exec", {"code": code(one, 5)}) for one in BROKEN),
            ("python_exec", {"code": code("good", 1)}),
        )
        for name, arguments in calls:
            answer = await raw.ask("tools/call", told(name, arguments))
            assert marks(answer) == set(), (name, arguments, answer)
            await recorded(raw, answer, set())
        for name in USABLE:
            # A workflow and a program give what their tool gave, and so does their record.
            for called, arguments in ((f"workflow:w-{name}", {}), ("python_exec", {"code": code(name, 5)})):
                answer = await raw.ask("tools/call", told(called, arguments))
                assert marks(answer) <= OWN[name], (called, answer)
                await recorded(raw, answer, OWN[name])
        assert marks(await raw.ask("resources/list")) == set()
        listed = (await raw.call("tool_schema"))["structuredContent"]["tools"]
        assert marks(listed) == {f"tools.{name}.description" for name in USABLE}
    assert marks(project.errors) == set()


def code(tool: str, number: int) -> str:
    return f'return await tools.call("{tool}", {{"n": {number}}})'


def told(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "arguments": arguments, "_meta": {"progressToken": "p"}}


async def recorded(raw: Any, answer: dict[str, Any], allowed: set[str]) -> None:
    """Check the record of a call, where there is one."""
    execution = answer.get("result", {}).get("_meta", {}).get("execution_id")
    if execution is not None:
        assert marks(await raw.ask("resources/read", {"uri": f"ael://executions/{execution}"})) <= allowed


async def test_people_see_the_words_of_a_server_where_they_look_at_its_tools(project, ael) -> None:
    arrange(project)
    listed = ael("tools", "list", "--status", "unavailable").stdout
    assert all(name in listed for name in BROKEN)
    assert marks(listed) == set()
    assert marks(ael("tools", "list").stdout) == {f"tools.{name}.description" for name in USABLE}
    assert marks(ael("tools", "show", "good").stdout)
    for words in (("doctor",), ("executions", "list"), ("validate", "workflows"), ("tools", "lock")):
        seen = ael(*words)
        assert marks(seen.stdout + seen.stderr) == set(), words
