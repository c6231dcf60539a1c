"""Names, paths and ids of any length: refused at the door for what they are, and not repeated whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HOSTILE = str(Path(__file__).parents[1] / "tools/servers/hostile.py")
LONG = "y" * 100_000
STEP = "steps: [{id: a, wait: {seconds: 0}}]"

#: Resources, each with what is said of it.
READ = [
    (f"ael://executions/{LONG}", "there is ael://workflows/NAME and ael://executions/ID"),
    (f"ael://executions/{'%79' * 30_000}", "there is"),
    (f"ael://executions/{'y' * 400}", "no such record"),
    (f"ael://workflows/{LONG}", "there is"),
    (LONG, "there is"),
]

#: Calls, each with what is said of it.
CALLED: list[tuple[str, dict[str, Any], str]] = [
    (LONG, {}, "Unknown tool"),
    (f"workflow:{LONG}", {}, "Unknown tool"),
    (f"workflow:quick@{LONG}", {}, "Unknown tool"),
    (f"s__{LONG}", {}, "Unknown tool"),
    ("workflow:quick", {LONG: 1}, "unknown input"),
    ("act", {"n": LONG}, "params.n: it is not of type"),
    ("act", {LONG: 1}, "a parameter's name is longer than 1000 bytes"),
    ("python_exec", {LONG: 1}, "takes one parameter"),
    ("workflow_get", {"name": LONG}, "name: it is longer than 200 characters"),
    ("workflow_get", {"name": "quick", "version": LONG}, "version: it is longer than 100 characters"),
    ("workflow_get", {"name": "y" * 199}, "WORKFLOW_NOT_FOUND"),
    ("workflow_update", {"name": LONG, "definition": "x"}, "it is longer than 200 characters"),
    ("workflow_delete", {"name": LONG}, "it is longer than 200 characters"),
    ("workflow_delete", {LONG: "quick"}, "Additional properties are not allowed"),
    ("workflow_create", {"definition": f"name: {LONG}\nversion: 1\n{STEP}\n"}, "is not a letter followed by"),
    ("tool_schema", {"name": LONG}, "it is longer than 400 characters"),
    ("config_get", {"path": LONG}, "it is longer than 500 characters"),
    ("config_get", {"path": f"mcp.servers.{'y' * 480}.z"}, "CONFIG_PATH_INVALID"),
    ("config_done", {"write_to": LONG}, "it is longer than 4096 characters"),
    ("config_location", {"path": "y" * 4000}, "is no place where AEL looks"),
    ("import_config", {"file": LONG}, "it is longer than 4096 characters"),
    ("import_config", {"file": "y" * 4000}, "is no name of a client's file"),
    ("import_config", {"file": "\0/mcp.json"}, "does not match"),
    ("import_config", {"file": "~nobody-of-this-name/mcp.json"}, "CONFIG_INVALID"),
]


async def test_what_is_too_long_is_refused_for_that_and_not_repeated(project) -> None:
    server = {"command": sys.executable, "args": [HOSTILE, "plain"]}
    project.configure({"mcp": {"authoring": True, "config_tools": True, "servers": {"s": server}}})
    async with project.raw() as raw:
        await raw.tools("act")
        for uri, why in READ:
            refused = await raw.ask("resources/read", {"uri": uri})
            assert refused["error"]["code"] == -32602
            brief(refused, why)
        for name, arguments, why in CALLED:
            brief(await raw.ask("tools/call", {"name": name, "arguments": arguments}), why)
    assert len(project.errors) < 5000


def brief(refused: dict[str, Any], why: str) -> None:
    """Check that something was refused in few words, and those are the right ones."""
    text = json.dumps(refused)
    assert why in text, text[:2000]
    assert "error" in refused or refused["result"]["isError"]
    assert all(code not in text for code in ("JOURNAL_UNAVAILABLE", "INTERNAL_ERROR", "WORKFLOW_INVALID: Invalid w: "))
    assert len(text) < 3000, text[:3000]


def test_what_is_too_long_for_a_command_is_not_repeated_either(ael) -> None:
    for words, why in (
        (("executions", "show", LONG), "no such record"),
        (("run", LONG), "WORKFLOW_NOT_FOUND"),
        (("run", f"workflows/{LONG}"), "File name too long"),
        (("validate", LONG), "File name too long"),
        (("config", "get", LONG), "CONFIG_PATH_INVALID"),
        (("tools", "call", LONG), "TOOL_UNAVAILABLE"),
        (("run", "quick", "--config", LONG), "CONFIG_INVALID"),
    ):
        refused = ael(*words)
        assert refused.returncode == 1
        assert why in refused.stderr
        assert len(refused.stderr) < 2500, refused.stderr[:2500]
