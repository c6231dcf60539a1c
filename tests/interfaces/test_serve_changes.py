"""Files that change while `ael serve` runs: tools appear, vanish and survive bad saves, and clients are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcp.types import ToolListChangedNotification


async def names(raw) -> list[str]:
    listed = (await raw.ask("tools/list"))["result"]["tools"]
    return [tool["name"] for tool in listed if tool["name"].startswith("workflow:")]


def waving(text: str) -> str:
    """Return a workflow that does and says something else: of a change that no list shows nobody is told."""
    return text.replace("hello", "bye").replace("Greets.", "Waves.")


async def test_tools_appear_change_and_vanish_with_their_files(project) -> None:
    async with project.raw() as raw:
        assert await names(raw) == ["workflow:quick"]
        path = project.write("deep/er/second.yaml", project.quick.replace("quick", "second"))
        await raw.told_of_changes()
        assert await names(raw) == ["workflow:quick", "workflow:second"]
        path.write_text(path.read_text().replace("Greets.", "Waves."))
        await raw.told_of_changes()
        listed = (await raw.ask("tools/list"))["result"]["tools"]
        assert listed[1]["description"] == "Waves."
        path.unlink()
        await raw.told_of_changes()
        assert await names(raw) == ["workflow:quick"]


async def test_a_bad_save_never_loses_a_tool_and_its_error_is_shown(project) -> None:
    async with project.raw() as raw:
        assert await names(raw) == ["workflow:quick"]
        path = project.write("quick.yaml", "name: quick\nversion: 1.0\nsteps: [\n")
        await project.said("the last good version of quick stays: Invalid workflow: .*quick.yaml:3:8: ")
        assert "\\x0a" not in project.errors
        assert await names(raw) == ["workflow:quick"]
        assert (await raw.call("workflow:quick", {"who": "Bob"}))["structuredContent"] == {"greeting": "hello Bob"}
        content = (await raw.ask("resources/read", {"uri": "ael://workflows/quick"}))["result"]["contents"][0]
        assert content["text"] == project.quick
        assert "quick.yaml" in content["_meta"]["error"]
        path.write_text(waving(project.quick))
        await raw.told_of_changes()
        assert (await raw.call("workflow:quick", {"who": "Bob"}))["structuredContent"] == {"greeting": "bye Bob"}
        content = (await raw.ask("resources/read", {"uri": "ael://workflows/quick"}))["result"]["contents"][0]
        assert "_meta" not in content


async def test_a_storm_of_saves_ends_in_what_was_saved_last(project) -> None:
    for number in range(100):
        project.write(f"w{number}.yaml", project.quick.replace("quick", f"w{number}"))
    async with project.raw() as raw:
        assert len(await names(raw)) == 101
        for turn in range(10):
            for number in range(100):
                text = project.quick.replace("quick", f"w{number}").replace("1.0", f"1.{turn}")
                project.write(f"w{number}.yaml", text.replace("Greets.", f"Greets {turn}."))
            assert len(await names(raw)) == 101
        for number in range(100):
            while (await raw.call(f"workflow:w{number}"))["_meta"]["workflow_version"] != "1.9":
                await raw.told_of_changes()


async def test_two_files_of_one_name_and_version_keep_the_first_and_are_told(project) -> None:
    project.write("z.yaml", project.quick.replace("hello", "hi"))
    async with project.raw() as raw:
        assert await names(raw) == ["workflow:quick"]
        assert "z.yaml: " in await project.said(r".*with the same version.*")
        project.write("a.yaml", project.quick.replace("name: quick", "name: Quick"))
        assert "a.yaml: " in await project.said(r".*differ only in case.*")
        assert await names(raw) == ["workflow:quick"]
        assert (await raw.call("workflow:quick"))["structuredContent"] == {"greeting": "hello you"}


async def test_a_mounted_directory_is_followed_behind_its_links_and_what_is_hidden_is_not_read(project, ael) -> None:
    """As ConfigMaps are mounted: files are links into a hidden directory, which a link names that is replaced."""
    mount = project.root / "workflows"
    linked = project.quick.replace("quick", "linked")
    for turn, text in enumerate((linked, waving(linked))):
        (mount / f"..{turn}").mkdir()
        (mount / f"..{turn}" / "linked.yaml").write_text(text)
    (mount / "..data").symlink_to("..0")
    (mount / "linked.yaml").symlink_to("..data/linked.yaml")
    async with project.raw() as raw:
        assert await names(raw) == ["workflow:linked", "workflow:quick"]
        assert (await raw.call("workflow:linked"))["structuredContent"] == {"greeting": "hello you"}
        (mount / "..new").symlink_to("..1")
        (mount / "..new").rename(mount / "..data")
        await raw.told_of_changes()
        assert (await raw.call("workflow:linked"))["structuredContent"] == {"greeting": "bye you"}
    assert "ERROR" not in project.errors
    assert ael("list", "--json").stdout.count('"name": "linked"') == 1


async def test_older_versions_are_called_by_their_number_only(project) -> None:
    project.write("old.yaml", project.quick.replace("1.0", "0.9").replace("hello", "old"))
    async with project.raw() as raw:
        assert await names(raw) == ["workflow:quick"]
        assert (await raw.call("workflow:quick"))["structuredContent"] == {"greeting": "hello you"}
        assert (await raw.call("workflow:quick@0.9"))["structuredContent"] == {"greeting": "old you"}


async def test_children_follow_their_files_too(project) -> None:
    parent = {
        "name": "parent",
        "version": "1",
        "steps": [{"id": "child", "workflow": "quick", "params": {"who": "kid"}}],
    }
    project.write("parent.yaml", json.dumps(parent))
    async with project.raw() as raw:
        assert await names(raw) == ["workflow:parent", "workflow:quick"]
        assert (await raw.call("workflow:parent"))["structuredContent"] == {"greeting": "hello kid"}
        project.write("quick.yaml", waving(project.quick))
        await raw.told_of_changes()
        assert (await raw.call("workflow:parent"))["structuredContent"] == {"greeting": "bye kid"}
        (project.root / "workflows/quick.yaml").unlink()
        await raw.told_of_changes()
        gone = await raw.call("workflow:parent")
        assert gone["isError"]
        assert "no file in" in gone["content"][0]["text"]


@pytest.mark.parametrize("how", ["option", "configuration"])
async def test_files_are_not_followed_where_nobody_wants_it(project, how: str) -> None:
    if how == "configuration":
        project.configure({"workflows": {"hot_reload": False}})
    async with project.raw(*(["--no-watch"] if how == "option" else [])) as raw:
        assert await names(raw) == ["workflow:quick"]
        (project.root / "workflows/quick.yaml").unlink()
        project.write("new.yaml", project.quick.replace("quick", "new"))
        for _ in range(300):
            assert await names(raw) == ["workflow:quick"]
            assert not (await raw.call("workflow:quick"))["isError"]


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_clients_of_the_handshake_are_told_of_changes(project, transport: str) -> None:
    heard = asyncio.Event()

    async def listen(message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            heard.set()

    async with project.client("handshake", transport, message_handler=listen) as client:
        assert client.session.server_capabilities.tools.list_changed is True
        await client.list_tools()
        project.write("new.yaml", project.quick.replace("quick", "new"))
        async with asyncio.timeout(60):
            await heard.wait()
        assert "workflow:new" in {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.parametrize(("transport", "is_read"), [("stdio", True), ("http", True), ("stdio", False)])
async def test_clients_of_the_modern_era_are_told_of_changes_by_subscription(
    project, transport: str, *, is_read: bool
) -> None:
    async with project.client("modern", transport) as client:
        if is_read:
            await client.list_tools()
        async with client.listen(tools_list_changed=True) as events:
            project.write("new.yaml", project.quick.replace("quick", "new"))
            async with asyncio.timeout(60):
                async for event in events:
                    assert type(event).__name__ == "ToolsListChanged"
                    # What was read first, right after the start, may be news too.
                    if "workflow:new" in {tool.name for tool in (await client.list_tools()).tools}:
                        break


async def test_directories_without_end_and_names_that_are_no_text_stop_nothing(project, ael) -> None:
    # Deeper than Python's stack, and not yet longer than a path may be.
    nested = [Path(str(project.root / "workflows") + "/d" * depth) for depth in range(1, 1300)]
    for path in nested:
        path.mkdir()
    # Some file systems refuse such a name; then there is nothing to stumble over.
    with contextlib.suppress(OSError):
        (project.root / "workflows" / os.fsdecode(b"\xff.yaml")).write_text(project.quick.replace("quick", "odd"))
    try:
        async with project.raw() as raw:
            assert await names(raw) == ["workflow:quick"]
            project.write("later.yaml", project.quick.replace("quick", "later"))
            await raw.told_of_changes()
            assert await names(raw) == ["workflow:later", "workflow:quick"]
        listed = ael("list", "--json").stdout
    finally:
        # What clears temporary directories away has a stack too.
        for path in reversed(nested):
            path.rmdir()
    assert '"name": "later"' in listed
    assert "Traceback" not in project.errors


async def test_a_workflow_whose_file_was_never_good_tells_why_by_either_name(project) -> None:
    project.write("bad.yaml", "name: bad\nversion: 1.0\nsteps: 5\n")
    async with project.raw() as raw:
        for name in ("workflow:bad", "workflow_bad", "workflow:bad@1.0"):
            refused = await raw.call(name)
            assert "'steps' is a list of steps" in refused["content"][0]["text"]
        unknown = await raw.ask("tools/call", {"name": "bad"})
        assert "Unknown tool: bad" in unknown["error"]["message"]


async def test_a_name_is_suggested_as_it_is_listed(project) -> None:
    for spelling, name in (("safe", "workflow_quick"), ("canonical", "workflow:quick")):
        async with project.raw("--tool-names", spelling) as raw:
            unknown = await raw.ask("tools/call", {"name": "workflow_quik"})
            assert f"Did you mean '{name}'?" in unknown["error"]["message"]


async def test_a_workflow_that_is_not_exposed_is_no_resource_and_no_suggestion(project) -> None:
    project.write("inner.yaml", project.quick.replace("name: quick", "name: quicker\nexpose: false"))
    async with project.raw() as raw:
        for name in ("quicker", "quickes"):
            refused = await raw.ask("resources/read", {"uri": f"ael://workflows/{name}"})
            assert "no workflow that is offered has this name" in refused["error"]["message"]
            assert "quicker'" not in refused["error"]["message"].replace("'quicker' not found", "")


async def test_a_journal_that_cannot_be_read_is_told_where_executions_are_asked_for(project) -> None:
    (project.root / ".ael").mkdir()
    (project.root / ".ael" / "ael.db").write_bytes(b"no journal " * 1000)
    async with project.raw() as raw:
        for method, params in (("resources/list", {}), ("resources/read", {"uri": "ael://executions/exec-1"})):
            refused = (await raw.ask(method, params))["error"]
            assert (refused["code"], refused["data"]["code"]) == (-32603, "JOURNAL_UNAVAILABLE")
            assert "Move the file away" in refused["message"]
        assert "result" in await raw.ask("resources/read", {"uri": "ael://workflows/quick"})
    assert "Traceback" not in project.errors
