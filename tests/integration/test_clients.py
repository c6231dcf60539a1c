"""Others' clients list and call workflows and the tools of servers through `ael serve`, over both transports."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import SERVE

CLIENTS = Path(__file__).parent / "clients"

pytestmark = pytest.mark.integration

Target = dict[str, Any]


@pytest.fixture(params=["stdio", "http"])
def target(
    request: pytest.FixtureRequest,
    configure: Callable[..., None],
    serve: Callable[..., Any],
    environment: dict[str, str],
    tmp_path: Path,
) -> Target:
    """Return how `ael serve` is reached."""
    configure()
    if request.param == "http":
        return {"url": serve().url}
    # Options of ours would be taken for the client's own.
    program = tmp_path / "serve"
    program.write_text(f"#!/bin/sh\ncd '{tmp_path}' && exec {shlex.join(SERVE)}\n")
    program.chmod(0o755)
    return {"command": [str(program)], "env": environment}


def run(command: list[str], environment: dict[str, str]) -> Any:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "generation",
    [{"generation": 1}, {"generation": 2}, {"generation": 2, "pin": "2026-07-28"}],
    ids=["first", "second", "second-2026"],
)
def test_the_typescript_sdk_lists_and_calls(target: Target, generation: Target, others, node, environment) -> None:
    calls = [
        {"name": "workflow_greet", "arguments": {"name": "Ada"}},
        {"name": "test_tool_with_progress", "arguments": {}},
        {"name": "workflow_greet", "arguments": {"name": 5}},
    ]
    task = {"packages": str(others / "npm"), "calls": calls, **target, **generation}
    found = run([node, str(CLIENTS / "typescript.mjs"), json.dumps(task)], environment)
    greeted, watched, failed = found["answers"]
    assert greeted["result"]["structuredContent"] == {"greeting": "Hello, Ada!"}
    assert json.loads(greeted["result"]["content"][0]["text"]) == {"greeting": "Hello, Ada!"}
    assert greeted["result"]["_meta"]["workflow_id"] == "greet"
    greet = next(tool for tool in found["tools"] if tool["name"] == "workflow_greet")
    assert greet["inputSchema"]["properties"]["name"]["default"] == "World"
    # This SDK drops progress that it reads together with the answer: on a busy machine, the last of it.
    told = [f"Completed step {done} of 100" for done in (0, 50, 100)]
    assert watched["progress"]
    assert watched["progress"] == told[: len(watched["progress"])]
    assert watched["result"]["content"] == [{"type": "text", "text": "Done."}]
    assert failed["result"]["isError"] is True
    assert "name" in failed["result"]["content"][0]["text"]


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_lists_and_calls(target: Target, era: str, others, node, environment) -> None:
    where = [target["url"], "--transport", "http"] if "url" in target else target["command"]
    inspector = [node, str(others / "npm/node_modules/.bin/mcp-inspector"), "--cli"]

    def ask(*options: str) -> Any:
        return run([*inspector, *options, "--protocol-era", era, "--format", "json", "-q", *where], environment)

    listed = ask("--method", "tools/list")["result"]["tools"]
    assert {"workflow_greet", "test_image_content"} <= {tool["name"] for tool in listed}
    called = ask("--method", "tools/call", "--tool-name", "workflow_greet", "--tool-arg", "name=Grace")["result"]
    assert called["structuredContent"] == {"greeting": "Hello, Grace!"}
    image = ask("--method", "tools/call", "--tool-name", "test_image_content")["result"]
    assert image["content"][0]["mimeType"] == "image/png"
    resources = ask("--method", "resources/list")["result"]["resources"]
    assert "ael://workflows/greet" in {resource["uri"] for resource in resources}


@pytest.mark.parametrize("agent", ["pydantic_agent", "langchain_agent"])
def test_an_agent_framework_lists_and_calls(target: Target, agent: str, others, environment) -> None:
    task = {"tool": "workflow_greet", "arguments": {"name": "Edsger"}, **target}
    found = run([str(others / agent / "bin/python"), str(CLIENTS / f"{agent}.py"), json.dumps(task)], environment)
    assert {"workflow_greet", "test_simple_text"} <= set(found["tools"])
    assert "Hello, Edsger!" in json.dumps(found["result"])
