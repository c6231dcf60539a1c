"""`ael serve` where its streams or its surroundings are not as they should be: it says so, or does without."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys

import pytest

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
ASK = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}).encode() + b"\n"


def serve(project, redirected: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Serve with streams that a shell redirects."""
    command = f"exec {sys.executable} -m ael serve {redirected}"
    return subprocess.run(
        ["/bin/sh", "-c", command], input=given, capture_output=True, cwd=project.root, env=project.environment,
        check=False,
    )  # fmt: skip


async def test_the_protocol_is_spoken_where_nobody_listens_to_standard_error(project) -> None:
    served = await asyncio.to_thread(serve, project, "2>&-", ASK)
    assert json.loads(served.stdout)["result"]["serverInfo"]["title"] == "AEL"
    assert served.returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
async def test_streams_that_are_closed_are_told_of_in_words(project, closed: str) -> None:
    served = await asyncio.to_thread(serve, project, closed)
    assert served.returncode == 1
    assert b"standard input or output is closed" in served.stderr
    assert b"--transport http" in served.stderr
    assert b"Traceback" not in served.stderr


async def test_options_of_http_are_told_to_be_of_no_use_over_stdio(project) -> None:
    served = await asyncio.to_thread(serve, project, "--host 127.0.0.1 --port 0")
    assert b"Not used without --transport http: --host, --port" in served.stderr
    assert served.returncode == 0


def test_a_person_at_a_terminal_is_told_that_a_client_is_waited_for(project) -> None:
    mine, theirs = os.openpty()
    try:
        running = subprocess.Popen(
            [sys.executable, "-m", "ael", "serve"], cwd=project.root, env=project.environment,
            stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(theirs)
        with running:
            assert running.stderr is not None
            assert b"Waiting for an MCP client" in next(line for line in running.stderr if b"Waiting" in line)
            # The end of what is typed at a terminal.
            os.write(mine, b"\x04")
            assert running.wait() == 0
    finally:
        os.close(mine)


async def test_an_address_of_another_machine_is_told_with_what_to_give(project, ael) -> None:
    refused = ael("serve", "--transport", "http", "--host", "203.0.113.1", "--port", "0", "--insecure")
    assert refused.returncode == 1
    assert "Give an address of this machine with --host" in refused.stderr


async def test_a_directory_that_goes_and_comes_back_is_told_and_followed(project) -> None:
    project.configure({"workflows": {"directories": ["./workflows", "./never"]}})
    async with project.raw() as raw:
        names = [tool["name"] for tool in (await raw.ask("tools/list"))["result"]["tools"]]
        assert "workflow:quick" in names
        shutil.move(project.root / "workflows", project.root / "gone")
        await raw.told_of_changes()
        refused = await raw.ask("tools/call", {"name": "workflow:quick", "arguments": {}})
        assert "Unknown tool" in refused["error"]["message"]
        assert "its workflows are offered again once it is back" in project.errors
        shutil.move(project.root / "gone", project.root / "workflows")
        await raw.told_of_changes()
        assert not (await raw.call("workflow:quick"))["isError"]
    assert "never is gone" not in project.errors


async def test_a_directory_that_may_not_be_looked_at_is_told_and_followed_again(project) -> None:
    # For root there is none; a path too long for the system is refused to everybody in the same way.
    barred, directory = project.root / "barred", project.root / "workflows"
    directory.rename(project.root / "real")
    directory.symlink_to("real")
    async with project.raw() as raw:
        await raw.tools("workflow:quick")
        barred.symlink_to("x" * 300)
        barred.replace(directory)
        await raw.told_of_changes()
        assert "is gone, or cannot be read: its workflows are offered again once it is back" in project.errors
        barred.symlink_to("real")
        barred.replace(directory)
        await raw.tools("workflow:quick")
    assert "Traceback" not in project.errors
    directory.unlink()
    directory.symlink_to("x" * 300)
    project.configure({"workflows": {"directory": "./workflows"}})
    async with project.raw() as raw:
        assert [tool["name"] for tool in await raw.tools()] == ["python_exec"]
        await project.said("There is no directory .*workflows: its workflows are offered once it is there")
