"""Secrets of a configuration are shown and kept nowhere: real servers that repeat what they were given."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.interfaces.conftest import Project

Ael = Callable[..., CompletedProcess[str]]
Write = Callable[[str, str], str]

REPEATS = str(Path(__file__).parents[1] / "tools/servers/repeats.py")
WORDS = ("w0rd-one", "w0rd-two", "w0rd-three", "w0rd-four", "w0rd-five", "w0rd-six", "w0rd-seven")

WORKFLOW = """
name: w
version: 1
steps:
  - {id: a, tool: s__act, params: {n: "{{ 'w0rd' }}-two"}}
  - {id: b, tool: s__act, params: {n: fail}}
"""


def servers() -> dict[str, Any]:
    arguments = [REPEATS, "--password", "w0rd-two", "--token=w0rd-three", "https://user:w0rd-four@host/x", "--key"]
    return {
        "s": {"command": sys.executable, "args": [*arguments, "${BROUGHT}"]},
        "split": {"command": f"{sys.executable} {REPEATS} --api-key w0rd-one --region eu"},
        "dies": {"command": sys.executable, "args": arguments, "env": {"DIE": "1", "DB_PASSWORD": "w0rd-six"}},
        "far": {"url": "http://127.0.0.1:9/mcp?api_key=w0rd-five&region=eu"},
    }


@pytest.fixture
def configured(ael: Ael, write: Write) -> Ael:
    write("ael-config.yaml", json.dumps({"mcp": {"servers": servers()}}, indent=1))
    write("workflows/w.yaml", WORKFLOW)

    def run(*arguments: str, **more: str) -> CompletedProcess[str]:
        return ael(*arguments, **{"BROUGHT": "w0rd-seven", **more})

    return run


def words_in(text: str) -> list[str]:
    return [word for word in WORDS if word in text]


def test_secrets_in_arguments_commands_and_urls_are_shown_and_kept_nowhere(configured: Ael, tmp_path: Path) -> None:
    for arguments, said in (
        (("config", "show"), "--api-key *** --region eu"),
        (("config", "get", "mcp.servers", "--json"), "mcp?api_key=***&region=eu"),
        (("tools", "list"), "(command:"),
        (("tools", "show", "s__act", "--json"), "--password *** --token=***"),
        (("tools", "call", "s__act", "-p", "n=w0rd-one", "--json"), "***; ***"),
        (("tools", "lock"), "+ s__act  new"),
        (("run", "w", "--trace", "-v"), "***"),
        (("run", "w", "--json"), "***"),
        (("doctor",), "secrets stand in it: mcp.servers.s.args[2], mcp.servers.s.args[3], mcp.servers.s.args[4], "),
    ):
        done = configured(*arguments)
        assert said in done.stdout + done.stderr, (arguments, done.stdout, done.stderr)
        assert not words_in(done.stdout + done.stderr), (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    ran = json.loads(configured("executions", "list", "--json").stdout)
    shown = configured("executions", "show", ran[0]["execution_id"], "--trace", "--json").stdout
    assert "***" in shown
    assert not words_in(shown)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "ael-config.yaml":
            assert not words_in(path.read_bytes().decode("latin-1")), path


def test_a_lock_sees_every_change_of_a_command_or_url_but_that_of_a_secret(
    configured: Ael, write: Write, tmp_path: Path
) -> None:
    config = {"s": servers()["s"], "split": servers()["split"]}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": config}}))
    write(
        "workflows/w.yaml", "name: w\nversion: 1\ntools: [s__act, split__act]\nsteps: [{id: a, wait: {seconds: 0}}]\n"
    )
    assert configured("tools", "lock").returncode == 0
    lock = json.loads((tmp_path / "ael-tools.lock").read_text())["servers"]
    assert lock["split"]["command"] == f"{sys.executable} {REPEATS} --api-key *** --region eu"
    assert lock["s"]["command"] == (
        f"{sys.executable} {REPEATS} --password '***' '--token=***' 'https://user:***@host/x' --key '${{BROUGHT}}'"
    )
    text = (tmp_path / "ael-config.yaml").read_text()
    for before, after, moves in (
        ("w0rd-two", "another", False),
        ("w0rd-one", "another", False),
        ("--region eu", "--region us", True),
        ("user:w0rd", "root:w0rd", True),
        ("host/x", "evil/x", True),
        ("--token=w0rd", "--tokens=w0rd", True),
        ("${BROUGHT}", "${OTHER}", True),
    ):
        (tmp_path / "ael-config.yaml").write_text(text.replace(before, after))
        done = configured("tools", "lock", "--check", OTHER="w0rd-seven")
        assert done.returncode == int(moves), (before, done.stdout, done.stderr)
        assert ("the server's command or url" in done.stdout) is moves


def test_excerpts_in_errors_of_a_configuration_show_no_secret(ael: Ael, write: Write) -> None:
    for text, said in (
        (
            "mcp: {servers: {s: {command: x, args: [--password, w0rd-two], env: {TOKEN: w0rd-one}, comand: y}}}",
            "comand",
        ),
        ("mcp: {servers: {s: {command: x, args: [--password, w0rd-two], env: {TOKEN: w0rd-one}", "not closed"),
        ("mcp:\n  servers:\n    s:\n      url: https://me:w0rd-one@h/mcp\n", "credentials"),
        ("mcp:\n  servers:\n    s:\n      env:\n        TOKEN: w0rd-one and: more\n", "colon"),
        ("mcp:\n  servers:\n    s:\n      args:\n        - --password\n        - w0rd-one: more: x\n", "colon"),
        ("mcp:\n  servers:\n    s:\n      command: x\n      timeout: {API_KEY: w0rd-one}\n", "timeout"),
    ):
        path = write("ael-config.yaml", text)
        for arguments in (("config", "set", "server.name", "x", "--json"), ("config", "validate")):
            done = ael(*arguments)
            assert done.returncode == 1, (text, done.stdout)
            assert not words_in(done.stdout + done.stderr), (text, done.stdout, done.stderr)
        assert said in done.stdout + done.stderr, (text, done.stdout, done.stderr)
        assert Path(path).read_text() == text


def test_a_broken_file_of_a_client_is_told_of_without_its_secrets(ael: Ael, write: Write, home: Path) -> None:
    server = '{"args": ["--password", "w0rd-two"], "env": {"TOKEN": "w0rd-one"}, "url": "https://u:w0rd-four@h"}'
    text = f'{{"mcpServers": {{"a": {server}, }}'
    write("mcp.json", text)
    (home / ".claude.json").write_text(text)
    for done in (ael("config", "import", "mcp.json"), ael("install", "claude-code")):
        assert done.returncode == 1
        assert ": {" in done.stdout + done.stderr
        assert not words_in(done.stdout + done.stderr), done.stderr


def test_what_looks_like_a_secret_by_its_place_is_not_written_into_the_file(ael: Ael, tmp_path: Path) -> None:
    config = tmp_path / "ael-config.yaml"
    for path, value in (
        ("mcp.servers.s", "{command: x, args: [--password, w0rd-two]}"),
        ("mcp.servers.s", "{command: x --api-key w0rd-one}"),
        ("mcp.servers.s", "{url: 'https://h/mcp?api_key=w0rd-five'}"),
        ("mcp.servers.s", "{command: x, args: ['https://u:w0rd-four@h']}"),
    ):
        done = ael("config", "set", path, value)
        assert done.returncode == 1
        assert "looks like a secret" in " ".join(done.stderr.split())
        assert not words_in(done.stdout + done.stderr)
    assert ael("config", "set", "mcp.servers.s", "{command: x, args: [--verbose, w0rd-two]}").returncode == 0
    before = config.read_text()
    # The word is one only once that stands before it.
    assert ael("config", "set", "mcp.servers.s.args[0]", "--", "--password").returncode == 1
    assert ael("config", "set", "mcp.servers.s.args[1]", "${X}").returncode == 0
    assert config.read_text() != before


def test_names_of_tools_with_a_secret_in_them_are_kept_and_reserved_without_it(
    ael: Ael, write: Write, tmp_path: Path
) -> None:
    names = {"env": {"A_TOKEN": "w0rd-one", "REPEAT": "w0rd-one"}}
    one = {"command": sys.executable, "args": [REPEATS], **names}
    config = {"mcp": {"servers": {"one": one, "two": one}}}
    path = write("ael-config.yaml", json.dumps(config))
    text = "name: w\nversion: 1\nsteps: [{id: a, tool: one__act_w0rd-one, params: {n: x}}]\n"
    write("workflows/w.yaml", text)
    assert ael("tools", "lock").stdout == "+ one__act_***  new\n"
    assert ael("tools", "lock", "--check").stdout == "✓ one__act_***  unchanged\n"
    assert ael("run", "w").returncode == 0
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and "home" in file.parts and file.suffix == ".json"]
    assert any(json.loads(file.read_text()) == ["act", "act_***"] for file in kept)
    lock = (tmp_path / "ael-tools.lock").read_text()
    for shown in (lock, *(file.read_text() for file in kept)):
        assert not words_in(shown)
    # A pin is found by it, and a name is its server's while that is down.
    (tmp_path / "ael-tools.lock").write_text(lock.replace("started as", "begun as"))
    assert "was edited" in " ".join(ael("run", "w").stderr.split())
    (tmp_path / "ael-tools.lock").unlink()
    config["mcp"]["servers"]["one"] = {**one, "env": {**names["env"], "DIE": "1"}}
    Path(path).write_text(json.dumps(config))
    write("workflows/w.yaml", text.replace("one__act", "act"))
    refused = ael("run", "w")
    assert "offered 'act_***' when it was last seen" in " ".join(refused.stderr.split())
    assert not words_in(refused.stdout + refused.stderr)


async def test_no_secret_reaches_an_agent_or_the_log_of_a_server_that_tells_them(project: Project) -> None:
    project.environment["BROUGHT"] = "w0rd-seven"
    named = servers()
    named["s"]["env"] = {"A_TOKEN": "w0rd-one", "REPEAT": "w0rd-one"}
    project.configure({"mcp": {"servers": named, "config_tools": True, "authoring": True}})
    project.write("w.yaml", WORKFLOW)
    async with project.raw() as raw:
        await raw.tools("act_hidden", "s__act", "split__act")
        for name, arguments in (
            ("s__act", {"n": "w0rd"}),
            ("s__act", {"n": "fail"}),
            ("act_hidden", {"n": "w0rd"}),
            ("dies__act", {"n": "w0rd"}),
            ("workflow:w", {}),
            ("config_get", {}),
            ("config_set", {"path": "server.name", "value": "x"}),
            ("config_diff", {}),
            ("config_validate", {}),
            ("tool_schema", {}),
            ("tool_schema", {"name": "s__act"}),
            ("workflow_get", {"name": "w"}),
            ("workflow_validate", {"definition": WORKFLOW.replace("s__act", "dies__act")}),
            ("workflow_run", {"definition": WORKFLOW.replace("s__act", "dies__act")}),
        ):
            await raw.ask("tools/call", {"name": name, "arguments": arguments})
        for resource in (await raw.ask("resources/list"))["result"]["resources"]:
            await raw.ask("resources/read", {"uri": resource["uri"]})
        await project.said("server 'dies'")
        told = b"\n".join(raw.lines).decode()
    assert told.count("***") > 20
    assert not words_in(told)
    assert "***" in project.errors
    assert not words_in(project.errors)


def test_what_a_server_that_does_not_start_says_is_masked_by_every_command_and_sealed_on_disk(
    configured: Ael, write: Write, tmp_path: Path
) -> None:
    path = write("workflows/w.yaml", WORKFLOW.replace("s__act", "dies__act"))
    for arguments in (
        ("validate", path, "--check-tools"),
        ("validate", path, "--check-tools", "--json"),
        ("tools", "refresh"),
        ("tools", "show", "dies__act"),
        ("tools", "lock"),
        ("run", path),
        ("run", path, "--json"),
    ):
        done = configured(*arguments)
        assert done.returncode == 1
        assert "***" in done.stdout + done.stderr, (arguments, done.stderr)
        assert not words_in(done.stdout + done.stderr), (arguments, done.stdout, done.stderr)
    for file in (tmp_path / ".ael").iterdir():
        assert not words_in(file.read_bytes().decode("latin-1")), file


def test_a_tool_whose_name_holds_a_secret_is_found_by_its_name(ael: Ael, write: Write) -> None:
    one = {"command": sys.executable, "args": [REPEATS], "env": {"A_TOKEN": "w0rd-one", "REPEAT": "w0rd-one"}}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {"one": one}}}))
    for name in ("act_w0rd-one", "one__act_w0rd-one", "act_***"):
        assert ael("tools", "show", name).stdout.startswith("act_***  available\n")
    assert ael("tools", "call", "act_w0rd-one", "-p", "n=x").returncode == 0
    # Nor does an error repeat what was asked for.
    refused = ael("tools", "call", "acts_w0rd-one")
    assert "no server offers 'acts_***'" in refused.stderr
    assert not words_in(refused.stdout + refused.stderr)


async def test_a_secret_that_stands_in_a_workflow_is_in_no_definition_and_no_error_of_its_tool(
    project: Project,
) -> None:
    project.configure({"mcp": {"servers": {"s": servers()["split"]}}})
    head = "version: 1\ntitle: T w0rd-one\ndescription: D w0rd-one\n"
    inputs = "inputs: {a: {default: w0rd-one, description: I w0rd-one}, b: {enum: [w0rd-one, x], default: x}}\n"
    project.write("w.yaml", f"name: w\n{head}{inputs}steps: [{{id: a, wait: {{seconds: 0}}}}]\n")
    project.write("bad.yaml", f"name: bad\n{head}steps: w0rd-one\n")
    async with project.raw() as raw:
        answers: list[Any] = await raw.tools("workflow:w")
        answers.append(await raw.ask("resources/list"))
        answers += [await raw.call(*call) for call in (("workflow:w", {"b": "y"}), ("workflow:bad", {}))]
        assert "is one of" in answers[-2]["content"][0]["text"]
        assert "'steps' is a list of steps" in answers[-1]["content"][0]["text"]
    assert words_in(json.dumps(answers)) == []
    assert "***" in json.dumps(answers)
    assert words_in(project.errors) == []
