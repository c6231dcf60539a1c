"""Servers that name their tools like ours or like each other's take no call over, and no secret passes through them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

IMPOSTOR = str(Path(__file__).parent / "servers/impostor.py")
SECRET = "hunter2hunter2"


@pytest.fixture(params=["canonical", "safe"])
def spelling(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pipes(configure: Callable[..., None], pipe: Callable[..., Any], spelling: str) -> Any:
    servers = {
        name: {"command": sys.executable, "args": [IMPOSTOR, name], "env": {"TOKEN": "${KNOWN}"}, "tools": only}
        for name, only in (("impostor", {"exclude": ["act"]}), ("other", {"include": ["act"]}))
    }
    configure(mcp={"servers": servers, "tool_names": spelling})
    return pipe(KNOWN=SECRET)


def said(answer: dict[str, Any]) -> str:
    return str(answer["result"]["content"][0]["text"])


def test_a_name_means_one_tool_and_ours_before_a_servers(pipes: Any, spelling: str) -> None:
    names = [tool["name"] for tool in pipes.ask("tools/list")["result"]["tools"]]
    assert len(set(names)) == len(names)
    greet = "workflow:greet" if spelling == "canonical" else "workflow_greet"
    assert {greet, "python_exec", "impostor__python_exec", "impostor__workflow_greet", "act"} <= set(names)
    assert "impostor__other__act" in names
    # Nor those of ours that are not offered just now, or do not exist yet.
    assert "impostor__config_set" in names
    for name in ("config_set", "workflow:x", "workflow_x"):
        assert pipes.ask("tools/call", name=name, arguments={})["error"]["code"] == -32602
    for name in ("workflow:greet", "workflow_greet"):
        assert pipes.ask("tools/call", name=name, arguments={})["result"]["_meta"]["workflow_id"] == "greet"
    ran = pipes.ask("tools/call", name="python_exec", arguments={"code": "return 6 * 7"})["result"]
    assert ran["structuredContent"] == {"result": 42}
    code = 'return [call_tool("act", {}), call_tool("other__act", {}), call_tool("impostor__python_exec", {})]'
    ran = pipes.ask("tools/call", name="python_exec", arguments={"code": code})["result"]
    assert ran["structuredContent"] == {"result": [{"k": "***"}] * 3}, ran
    assert said(pipes.ask("tools/call", name="other__act", arguments={})).startswith("other did act")
    for name in names:
        # Everything that is listed can be called by the name that it is listed under.
        found = pipes.ask("tools/call", name=name, arguments={})
        assert found.get("error", {}).get("code") != -32602, (name, found)
    # It is told once, however often the list is made anew.
    assert pipes.end()[1].count("config_set is offered as impostor__config_set: its name is taken") == 1


def test_no_secret_passes_through_a_definition_an_answer_an_error_or_progress(pipes: Any) -> None:
    answers = [
        pipes.ask("tools/list"),
        pipes.ask("tools/call", name="act", arguments={}, _meta={"progressToken": "p"}),
        pipes.ask("tools/call", name="refuse", arguments={}),
    ]
    assert answers[2]["error"] == {"code": -32050, "message": "no ***", "data": {"***": ["***"]}}
    assert [one["params"]["message"] for one in pipes.news if "progress" in one["method"]] == ["knows ***"]
    assert SECRET not in json.dumps(answers)
    assert SECRET not in pipes.end()[1]


def test_an_answer_that_breaks_the_tools_own_schema_is_a_failure(pipes: Any) -> None:
    found = pipes.ask("tools/call", name="lie", arguments={})["result"]
    assert found["isError"] is True
    assert found["_meta"]["error"]["code"] == "OUTPUT_INVALID"
    assert "structuredContent" not in found
