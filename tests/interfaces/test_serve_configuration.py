"""Configuration mode of `ael serve`: an agent sets AEL up and goes on in the same session."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.interfaces.conftest import listed

HOSTILE = str(Path(__file__).parents[1] / "tools/servers/hostile.py")
TOOLS = [
    *("config_get", "config_set", "config_validate", "config_diff", "config_done", "config_location", "config_reset"),
    *("config_schema", "import_config"),
]
ERAS = pytest.mark.parametrize("era", ["handshake", "modern"])


@pytest.fixture
def bare(project):
    """Return the project without its configuration."""
    (project.root / "ael-config.yaml").unlink()
    return project


async def told(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = json.loads(result.content[0].text)  # type: ignore[union-attr]  # a text
    return found


async def refused(client: Client, name: str, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]  # a text


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


@ERAS
async def test_an_agent_sets_ael_up_and_goes_on_in_the_same_session(bare, era: str) -> None:
    async with bare.client(era) as client:
        assert await names(client) == TOOLS
        assert await told(client, "config_get") == {"path": "", "value": {}, "staged": False}
        server = {"command": sys.executable, "args": [HOSTILE, "echo"]}
        found = await told(client, "config_set", path="mcp.servers.s", value=server)
        assert "+    s:" in found["diff"]
        # As many an agent writes it.
        await told(client, "config_set", path="execution.max_concurrent", value="4")
        await told(client, "config_set", path="mcp.tool_names", value="safe")
        assert await told(client, "config_validate") == {"valid": True, "problems": []}
        assert (await told(client, "config_get", path="execution"))["value"] == {"max_concurrent": 4}
        assert not (bare.root / "ael-config.yaml").exists()
        done = await told(client, "config_done")
        assert (done["written"], done["mode"]) == (str(bare.root / "ael-config.yaml"), "running")
        assert "max_concurrent: 4" in (bare.root / "ael-config.yaml").read_text()
        assert not set(TOOLS) & set(await listed(client, "workflow_quick", "act"))
        assert (await told(client, "workflow_quick", who="Ada")) == {"greeting": "hello Ada"}
        assert (await told(client, "act", n=1))["got"] == {"n": 1}
    lines = [line for line in bare.errors.splitlines() if line.startswith("[AEL]")]
    assert lines == [
        "[AEL] No config found (searched: ./ael-config.yaml, ~/.ael/config.yaml)",
        "[AEL] Mode: configuration",
        "[AEL] Use config tools to set up AEL",
        "[AEL] Config loaded from: ./ael-config.yaml",
        "[AEL] Mode: running",
        "[AEL] MCP servers: s (1)",
        "[AEL] Workflows: 1 registered",
    ]


async def test_the_client_is_told_that_the_tools_have_changed(bare) -> None:
    async with bare.raw() as client:
        await client.ask("tools/list")
        await client.call("config_set", {"path": "logging.level", "value": "INFO"})
        await client.call("config_done")
        while not any(one["method"] == "notifications/tools/list_changed" for one in client.notifications):
            client.notifications.append(await client.read())


async def test_mistakes_are_told_with_their_repair_and_nothing_is_written(bare) -> None:
    async with bare.client("handshake") as client:
        text = await refused(client, "config_set", path="execution.max_concurent", value=1)
        assert "CONFIG_PATH_INVALID" in text
        assert "Did you mean 'execution.max_concurrent'?" in text
        secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
        text = await refused(client, "config_set", path="mcp.servers.s", value={"command": "x", "env": {"T": secret}})
        assert "looks like a secret" in text
        assert secret not in text
        await told(client, "config_set", path="execution.max_concurrent", value="many")
        found = await told(client, "config_validate")
        assert found["valid"] is False
        assert found["problems"][0]["line"] == 2
        assert "^" in found["problems"][0]["text"]
        assert "CONFIG_INVALID" in await refused(client, "config_done")
        assert "'pth' was unexpected" in await refused(client, "config_get", pth="x")
        assert await told(client, "config_reset") == {"staged": False}
        assert (await told(client, "config_diff"))["diff"] == ""
        deep: Any = "x"
        for _ in range(100):
            deep = [deep]
        assert "nested deeper than 64 levels" in await refused(client, "config_set", path="mcp.servers", value=deep)
        private = bare.root / "id_rsa"
        private.write_text("-----BEGIN PRIVATE KEY-----")
        text = await refused(client, "import_config", file=str(private))
        assert "no name of a client's file" in text
        assert "BEGIN" not in text
        assert (await told(client, "config_schema"))["title"] == "AEL configuration"
        assert await names(client) == TOOLS
    assert not (bare.root / "ael-config.yaml").exists()


async def test_it_is_written_only_to_places_of_the_search_order(bare) -> None:
    home = Path(bare.environment["HOME"])
    async with bare.client("handshake") as client:
        found = await told(client, "config_location")
        assert found["path"] == str(bare.root / "ael-config.yaml")
        assert found["places"] == [found["path"], f"{home}/.ael/config.yaml"]
        await told(client, "config_set", path="logging.level", value="INFO")
        for place in ("/etc/ael.yaml", "../ael-config.yaml", str(home / ".bashrc")):
            assert "no place where AEL looks" in await refused(client, "config_done", write_to=place)
            assert "no place where AEL looks" in await refused(client, "config_location", path=place)
        assert (await told(client, "config_location", scope="user"))["path"] == f"{home}/.ael/config.yaml"
        assert (await told(client, "config_done"))["written"] == f"{home}/.ael/config.yaml"
    assert (home / ".ael/config.yaml").read_text() == "logging:\n  level: INFO\n"


async def test_a_file_that_somebody_else_has_written_meanwhile_is_kept(bare) -> None:
    async with bare.client("handshake") as client:
        await told(client, "config_set", path="execution.max_concurrent", value=3)
        (bare.root / "ael-config.yaml").write_text("execution: {max_concurrent: 9} # mine\n")
        assert "make the edit again (in configuration mode, after config_reset)" in await refused(client, "config_done")
        await told(client, "config_reset")
        await told(client, "config_set", path="execution.queue_limit", value=3)
        assert (await told(client, "config_done"))["mode"] == "running"
    kept = (bare.root / "ael-config.yaml").read_text()
    assert kept == "execution: {max_concurrent: 9, queue_limit: 3} # mine\n"


async def test_a_variable_that_is_not_set_keeps_ael_in_configuration_mode(bare) -> None:
    async with bare.client("handshake") as client:
        value = {"url": "https://h.example/mcp", "headers": {"Authorization": "Bearer ${H_TOKEN}"}}
        await told(client, "config_set", path="mcp.servers.h", value=value)
        done = await told(client, "config_done")
        assert done["mode"] == "configuration"
        assert "H_TOKEN is not set" in done["problems"][0]["message"]
        assert await names(client) == TOOLS
    assert "${H_TOKEN}" in (bare.root / "ael-config.yaml").read_text()


async def test_servers_of_another_client_are_imported_without_their_secrets(bare) -> None:
    theirs = {"mcpServers": {"s": {"command": "x", "env": {"API_KEY": "in-plain-sight"}}, "t": {"command": "y"}}}
    (bare.root / ".mcp.json").write_text(json.dumps(theirs))
    async with bare.client("handshake") as client:
        report = await told(client, "import_config", file=".mcp.json", servers=["s"])
        assert [one["name"] for one in report["servers"]] == ["s"]
        assert [one["name"] for one in report["variables"]] == ["S_API_KEY"]
        diff = (await told(client, "config_diff"))["diff"]
        assert "API_KEY: ${S_API_KEY}" in diff
        assert "in-plain-sight" not in json.dumps(report) + diff


async def test_an_existing_file_is_staged_with_its_comments(project) -> None:
    path = project.root / "ael-config.yaml"
    path.write_text("# ours\nlogging: {level: INFO}   # quiet\n")
    async with project.client("handshake", "stdio", "--mode", "configuration") as client:
        assert (await told(client, "config_get", path="logging.level"))["value"] == "INFO"
        await told(client, "config_set", path="execution.max_steps", value=7)
        await told(client, "config_done")
        assert "workflow:quick" in await names(client)
    assert path.read_text() == "# ours\nlogging: {level: INFO}   # quiet\nexecution:\n  max_steps: 7\n"


async def test_a_file_that_was_named_and_is_missing_is_made(bare) -> None:
    async with bare.client("handshake", "stdio", "--config", "mine.yaml") as client:
        assert (await told(client, "config_location"))["places"] == [str(bare.root / "mine.yaml")]
        assert "was named" in await refused(client, "config_location", scope="user")
        await told(client, "config_done")
        assert "workflow:quick" in await names(client)
    assert (bare.root / "mine.yaml").exists()


async def test_the_tools_stay_when_the_configuration_says_so(project) -> None:
    project.configure({"mcp": {"config_tools": True}})
    async with project.client("handshake") as client:
        assert {*TOOLS, "workflow:quick"} <= set(await names(client))
        await told(client, "config_set", path="execution.max_steps", value=7)
        done = await told(client, "config_done")
        assert "start it again" in done["next"]
    async with project.client("handshake", "http") as client:
        assert not set(TOOLS) & set(await names(client))
    assert "configuration tools are not offered over HTTP" in project.errors


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mode", "running"], "there is no configuration"),
        (["--transport", "http", "--port", "0"], "configuration mode over HTTP needs authentication"),
    ],
)
async def test_modes_that_cannot_be_are_refused(bare, options: list[str], said: str) -> None:
    async with bare.process(*options) as running:
        assert await running.wait() == 1
    assert said in " ".join(bare.errors.split())
