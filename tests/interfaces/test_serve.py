"""`ael serve`: workflows as MCP tools, through real processes and the SDK's client, in both eras and transports."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from mcp import MCPError

HOSTILE = str(Path(__file__).parents[1] / "tools/servers/hostile.py")
EVERYWHERE = pytest.mark.parametrize(
    ("era", "transport"), [("handshake", "stdio"), ("modern", "stdio"), ("handshake", "http"), ("modern", "http")]
)


@EVERYWHERE
async def test_workflows_are_listed_and_called_as_tools(project, era: str, transport: str) -> None:
    project.write("hidden.yaml", "name: hidden\nversion: 1\nexpose: false\nsteps: [{id: a, wait: {seconds: 0}}]\n")
    project.write(
        "broken.yaml",
        "name: failing\nversion: 2\ntitle: Fails\nannotations: {readOnlyHint: true}\n"
        "inputs: [n]\nsteps: [{id: look, tool: nowhere, params: {n: '{{ inputs.n }}'}}]\n",
    )
    async with project.client(era, transport) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert "workflow:hidden" not in listed
        quick, failing = listed["workflow:quick"], listed["workflow:failing"]
        assert quick.description == "Greets."
        assert quick.input_schema["properties"] == {"who": {"type": "string", "default": "you"}}
        assert quick.output_schema is not None
        assert quick.output_schema["required"] == ["greeting"]
        assert failing.title == "Fails"
        assert failing.annotations is not None
        assert failing.annotations.read_only_hint is True
        assert ("python_exec" in listed) is (transport == "stdio")

        progress: list[tuple[float, float | None, str | None]] = []

        async def on_progress(done: float, total: float | None, message: str | None) -> None:
            progress.append((done, total, message))

        result = await client.call_tool("workflow:quick", {"who": "Ada"}, progress_callback=on_progress)
        assert result.structured_content == {"greeting": "hello Ada"}
        assert [json.loads(block.text) for block in result.content] == [{"greeting": "hello Ada"}]
        assert result.meta is not None
        assert result.meta["workflow_id"] == "quick"
        assert result.meta["workflow_version"] == "1.0"
        assert result.meta["duration_ms"] >= 0
        assert progress == [(1, 2, "step 'pause' completed"), (2, 2, "step 'again' completed")]

        failed = await client.call_tool("workflow_failing", {"n": "1"})
        assert failed.is_error
        assert failed.meta is not None
        error = failed.meta["error"]
        assert (error["code"], error["category"], error["step_id"]) == ("TOOL_UNAVAILABLE", "TOOL", "look")
        assert error["retryable"] is False
        text = failed.content[0].text
        assert "Step 'look' failed. TOOL_UNAVAILABLE: Tool 'nowhere' is unavailable" in text
        assert failed.meta["execution_id"] in text
        assert "Traceback" not in text

        record = json.loads(
            (await client.read_resource(f"ael://executions/{failed.meta['execution_id']}")).contents[0].text
        )
        assert record["status"] == "failed"
        assert record["principal"].startswith("mcp:")
        assert (await client.read_resource("ael://workflows/quick")).contents[0].text == project.quick
        uris = [resource.uri for resource in (await client.list_resources()).resources]
        assert "ael://workflows/quick" in uris
        assert f"ael://executions/{failed.meta['execution_id']}" in uris

        wrong = await client.call_tool("workflow:quick@1.0", {"whom": "x"})
        assert wrong.is_error
        assert "Did you mean 'who'?" in wrong.content[0].text
        with pytest.raises(MCPError, match="Did you mean 'workflow:quick'"):
            await client.call_tool("workflow:quikc", {})


async def test_names_that_every_host_takes_are_listed_when_asked_for(project) -> None:
    long = "n" * 64
    project.write("long.yaml", project.quick.replace("quick", long))
    project.configure({"mcp": {"tool_names": "safe"}, "tools": {"builtins": []}})
    async with project.client("handshake") as client:
        first, second = [tool.name for tool in (await client.list_tools()).tools]
        assert second == "workflow_quick"
        assert len(first) == 60
        assert first.startswith("workflow_nnnn")
        for name in (first, f"workflow:{long}", "workflow:quick", "workflow_quick"):
            assert not (await client.call_tool(name, {})).is_error


async def test_a_result_that_is_no_object_is_wrapped(project) -> None:
    project.write("list.yaml", "name: list\nversion: 1\nsteps: [{id: a, wait: {seconds: 0}}]\noutput: [1, two]\n")
    project.write("text.yaml", "name: text\nversion: 1\nsteps: [{id: a, wait: {seconds: 0}}]\noutput: plain\n")
    async with project.client("handshake") as client:
        for name, value, text in (("list", [1, "two"], '[1,"two"]'), ("text", "plain", "plain")):
            result = await client.call_tool(f"workflow:{name}", {})
            assert result.structured_content == {"result": value}
            assert result.content[0].text == text


async def test_nothing_but_the_protocol_is_on_standard_output(project) -> None:
    project.configure({"mcp": {"servers": {"loud": {"command": sys.executable, "args": [HOSTILE, "notify"]}}}})
    code = "print('noise' * 1000)\nreturn 1"
    project.write(
        "noisy.yaml",
        json.dumps({
            "name": "noisy", "version": "1",
            "steps": [{"id": "say", "code": code}, {"id": "act", "tool": "loud__act", "params": {}}],
        }),
    )  # fmt: skip
    async with project.raw("-v", "-v") as raw:
        result = await raw.call("workflow:noisy")
        assert result["structuredContent"] == {"result": "done"}
        for line in raw.lines:
            assert json.loads(line)["jsonrpc"] == "2.0"
    assert "[AEL] Workflows: 2 registered" in project.errors


#: Runs in the server's own process: writes to standard output in every way, once the protocol is served and at the end.
NOISE = """
import atexit, ctypes, os, subprocess, sys, threading

def make_noise(end=False):
    print("noise of print", flush=True)
    sys.__stdout__.write("noise of the real stream\\n")
    sys.__stdout__.flush()
    os.write(1, b"noise of the descriptor\\n")
    library = ctypes.CDLL(None)
    library.puts(b"noise of a native library")
    library.fflush(None)
    if not end:
        subprocess.run(["echo", "noise of a child"])

def crash():
    make_noise()
    raise RuntimeError("noise of a thread")

def hook(event, arguments):
    # What is imported first when the protocol is about to be served.
    if event == "import" and arguments[0] == "ael.interfaces.mcp.pipes" and not started:
        started.append(True)
        make_noise()
        thread = threading.Thread(target=crash)
        thread.start()
        thread.join()

started = []
if "serve" in sys.argv:
    sys.addaudithook(hook)
    atexit.register(make_noise, end=True)
"""


async def test_what_prints_in_the_servers_own_process_is_not_on_standard_output(project, tmp_path: Path) -> None:
    place = tmp_path / "startup"
    place.mkdir()
    (place / "sitecustomize.py").write_text(NOISE)
    project.environment |= {"PYTHONPATH": str(place), "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}
    async with project.raw() as raw:
        assert (await raw.call("workflow:quick", {"who": "Ada"}))["structuredContent"] == {"greeting": "hello Ada"}
        raw.running.stdin.close()
        rest = await raw.running.stdout.read()
        assert await raw.running.wait() == 0
    assert rest == b""
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in raw.lines)
    said = project.errors
    for way in ("print", "the real stream", "the descriptor", "a native library"):
        assert said.count(f"noise of {way}\n") == 3, said
    assert said.count("noise of a child\n") == 2
    assert "RuntimeError: noise of a thread" in said


async def test_the_start_is_told_on_standard_error(project) -> None:
    project.configure({"mcp": {"servers": {"loud": {"command": sys.executable, "args": [HOSTILE, "plain"]}}}})
    async with project.raw() as raw:
        assert [tool["name"] for tool in await raw.tools("act")] == ["workflow:quick", "act", "python_exec"]
        raw.running.stdin.close()
        assert await raw.running.wait() == 0
    assert project.errors.startswith(
        "[AEL] Config loaded from: ./ael-config.yaml\n[AEL] Mode: running\n[AEL] MCP servers: loud (1)\n"
    )
    assert "[AEL] Workflows: 1 registered\n" in project.errors


async def test_a_directory_that_is_named_and_not_there_is_told(project) -> None:
    project.configure({"workflows": {"directory": "./flows"}})
    async with project.raw() as raw:
        assert [tool["name"] for tool in await raw.tools()] == ["python_exec"]
        raw.running.stdin.close()
        assert await raw.running.wait() == 0
    assert "Workflows: 0 registered\n[AEL] There is no directory " in project.errors
    assert "flows: its workflows are offered once it is there" in project.errors


async def test_without_a_configuration_it_says_where_it_looked(project) -> None:
    (project.root / "ael-config.yaml").unlink()
    async with project.raw() as raw:
        assert (await raw.ask("resources/list"))["result"]["resources"] == []
    assert project.errors.startswith(
        "[AEL] No config found (searched: ./ael-config.yaml, ~/.ael/config.yaml)\n"
        "[AEL] Mode: configuration\n[AEL] Use config tools to set up AEL\n"
    )
    async with project.process("--mode", "running") as running:
        assert await running.wait() == 1
    assert "there is no configuration (searched: ./ael-config.yaml, ~/.ael/config.yaml)" in project.errors
