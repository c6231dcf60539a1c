"""The authoring tools of `ael serve`: an agent sees, checks, tries, saves, changes and deletes workflows."""

from __future__ import annotations

import json

import pytest

from ael.app.serving.names import is_ours

NEW = """name: sum
version: "1"
inputs: {numbers: {type: array}}
steps:
  - id: add
    code: |
      return sum(inputs["numbers"])
output: "{{ steps.add.output }}"
"""


@pytest.fixture
def authored(project):
    project.configure({"mcp": {"authoring": True}})
    return project


async def test_a_workflow_is_written_tried_saved_changed_and_deleted_by_an_agent(authored) -> None:
    async with authored.raw() as raw:
        listed = [tool["name"] for tool in (await raw.ask("tools/list"))["result"]["tools"]]
        assert {"workflow_schema", "workflow_validate", "workflow_create", "workflow_delete", "tool_schema"} <= set(
            listed
        )
        schema = (await raw.call("workflow_schema"))["structuredContent"]
        assert schema["required"] == ["name", "version", "steps"]

        checked = (await raw.call("workflow_validate", {"definition": NEW}))["structuredContent"]
        assert checked == {"valid": True, "name": "sum", "problems": []}
        tried = await raw.call("workflow_run", {"definition": NEW, "inputs": {"numbers": [1, 2, 3]}})
        assert tried["structuredContent"] == {"result": 6}
        assert tried["_meta"]["workflow_id"] == "sum"
        assert not (authored.root / "workflows/sum.yaml").exists()

        saved = (await raw.call("workflow_create", {"definition": NEW}))["structuredContent"]
        assert saved["tool"] == "workflow:sum"
        assert (authored.root / "workflows/sum.yaml").read_text() == NEW
        assert (await raw.call("workflow:sum", {"numbers": [4, 5]}))["structuredContent"] == {"result": 9}
        again = await raw.call("workflow_create", {"definition": NEW})
        assert "workflow_update" in again["content"][0]["text"]

        await raw.call("workflow_update", {"name": "sum", "definition": NEW.replace("sum(", "max(")})
        assert (await raw.call("workflow:sum", {"numbers": [4, 5]}))["structuredContent"] == {"result": 5}
        got = (await raw.call("workflow_get", {"name": "sum"}))["structuredContent"]
        assert got["definition"] == NEW.replace("sum(", "max(")
        assert (await raw.call("workflow_delete", {"name": "sum"}))["isError"] is False
        assert "error" in await raw.ask("tools/call", {"name": "workflow:sum", "arguments": {}})
        assert sorted(path.name for path in (authored.root / "workflows").iterdir()) == ["quick.yaml"]


async def test_mistakes_are_told_with_line_caret_and_repair_and_nothing_is_saved(authored) -> None:
    broken = NEW.replace("  - id: add\n", "  - id: add\n    retires: 3\n")
    async with authored.raw() as raw:
        checked = (await raw.call("workflow_validate", {"definition": broken}))["structuredContent"]
        assert checked["valid"] is False
        (problem,) = checked["problems"]
        assert (problem["line"], problem["column"]) == (6, 5)
        assert "Did you mean 'retry'" in problem["suggestion"]
        assert "\n      ^" in problem["text"]
        for tool, more in (("workflow_create", {}), ("workflow_update", {"name": "quick"}), ("workflow_run", {})):
            refused = await raw.call(tool, {"definition": broken, **more})
            assert refused["isError"]
            assert "Did you mean 'retry'" in refused["content"][0]["text"]
        unknown = NEW.replace('code: |\n      return sum(inputs["numbers"])', "tool: python_exce")
        checked = (await raw.call("workflow_validate", {"definition": unknown}))["structuredContent"]
        assert "python_exce" in checked["problems"][0]["message"]
        wrong = await raw.call("workflow_validate", {"text": 1})
        said = wrong["content"][0]["text"]
        assert "'text' was unexpected" in said
        assert '"definition" is a required property' in said
    assert (authored.root / "workflows/quick.yaml").read_text() == authored.quick


async def test_a_workflow_that_could_not_be_offered_beside_others_is_not_saved(authored) -> None:
    authored.write("newer.yaml", authored.quick.replace("1.0", "2.0"))
    authored.write("snake_case.yaml", authored.quick.replace("quick", "snake_case"))
    before = sorted((authored.root / "workflows").iterdir())
    async with authored.raw() as raw:
        for name in ("snake-case", "Quick"):
            refused = await raw.call(
                "workflow_create", {"definition": authored.quick.replace("name: quick", f"name: {name}")}
            )
            assert "differ only in case or - and _" in refused["content"][0]["text"]
        clash = {"name": "quick", "version": "1.0", "definition": authored.quick.replace("1.0", "2.0")}
        refused = await raw.call("workflow_update", clash)
        assert "of version '2.0' already" in refused["content"][0]["text"]
        again = await raw.call("workflow_update", {**clash, "version": "2.0"})
        assert not again["isError"]
    assert sorted((authored.root / "workflows").iterdir()) == before
    assert (authored.root / "workflows/quick.yaml").read_text() == authored.quick


async def test_files_outside_of_the_workflow_directories_are_never_touched(authored) -> None:
    outside = authored.root / "elsewhere.yaml"
    outside.write_text(authored.quick.replace("quick", "linked"))
    (authored.root / "workflows/linked.yaml").symlink_to(outside)
    # As a mounted ConfigMap has them.
    within = authored.write(".data/inner.yaml", authored.quick.replace("quick", "inner"))
    (authored.root / "workflows/inner.yaml").symlink_to(within)
    async with authored.raw() as raw:
        for name, file in (("linked", outside), ("inner", within)):
            for tool in ("workflow_update", "workflow_delete"):
                arguments = {"name": name} | ({"definition": file.read_text()} if tool == "workflow_update" else {})
                refused = await raw.call(tool, arguments)
                assert "is not a plain file of the workflow directories" in refused["content"][0]["text"]
        escaped = await raw.call("workflow_create", {"definition": NEW.replace("name: sum", "name: ../../sum")})
        assert escaped["isError"]
    assert outside.exists()
    assert within.exists()
    assert (authored.root / "workflows/inner.yaml").is_symlink()
    assert not (authored.root.parent / "sum.yaml").exists()


async def test_the_tools_of_servers_are_described_for_writing(authored) -> None:
    async with authored.raw() as raw:
        rows = (await raw.call("tool_schema"))["structuredContent"]["tools"]
        assert [row["name"] for row in rows] == ["python_exec"]
        one = (await raw.call("tool_schema", {"name": "python_exec"}))["structuredContent"]
        assert one["input_schema"]["required"] == ["code"]
        assert "Did you mean" in json.dumps(await raw.call("tool_schema", {"name": "python_exce"}))


async def test_a_file_that_was_never_good_is_seen_mended_and_deleted(authored) -> None:
    good = authored.quick.replace("quick", "bad")
    broken = good.replace("steps:", "stepz:")
    path = authored.write("somewhere.yaml", broken)
    async with authored.raw() as raw:
        await raw.ask("tools/list")
        seen = (await raw.call("workflow_get", {"name": "bad"}))["structuredContent"]
        assert seen["definition"] == broken
        assert "Did you mean 'steps'" in seen["error"]
        mended = await raw.call("workflow_update", {"name": "bad", "definition": good})
        assert not mended["isError"], mended
        assert path.read_text() == good
        assert (await raw.call("workflow:bad"))["structuredContent"] == {"greeting": "hello you"}
        other = authored.write("worse.yaml", "name: worse\nsteps: 5\n")
        # Nobody is told of a file that was never good: of one that came after it they are.
        authored.write("witness.yaml", authored.quick.replace("quick", "witness"))
        while "error" in await raw.ask("tools/call", {"name": "workflow:witness"}):
            await raw.told_of_changes()
        assert not (await raw.call("workflow_delete", {"name": "worse"}))["isError"]
        assert not other.exists()


async def test_a_secret_that_reads_as_masked_is_not_lost_by_saving_what_was_read(project) -> None:
    secret = "a-token-of-the-shop"
    server = {"command": "true", "enabled": False, "env": {"SHOP_TOKEN": secret}}
    project.configure({"mcp": {"authoring": True, "servers": {"shop": server}}})
    path = project.root / "workflows/sum.yaml"
    path.write_text(NEW.replace("return sum(", f"token = '{secret}'\n      return sum("))
    before = path.read_text()
    async with project.raw() as raw:
        got = (await raw.call("workflow_get", {"name": "sum"}))["structuredContent"]["definition"]
        assert secret not in got
        shown = (await raw.ask("resources/read", {"uri": "ael://workflows/sum"}))["result"]["contents"][0]["text"]
        assert shown == before.replace(secret, "***")
        refused = await raw.call("workflow_update", {"name": "sum", "definition": got.replace("sum(", "max(")})
        assert refused["isError"]
        assert "would lose it" in refused["content"][0]["text"]
        assert path.read_text() == before
        saved = await raw.call("workflow_update", {"name": "sum", "definition": NEW})
        assert not saved["isError"]


async def test_no_server_may_have_a_name_of_a_tool_of_ours(authored) -> None:
    authored.configure({"mcp": {"authoring": True, "config_tools": True}})
    async with authored.raw() as raw:
        names = [tool["name"] for tool in (await raw.ask("tools/list"))["result"]["tools"]]
    assert {"python_exec", "workflow_create", "config_done"} <= set(names)
    assert all(map(is_ours, names))


async def test_authoring_is_off_unless_asked_for_and_never_over_http(project) -> None:
    async with project.raw() as raw:
        assert "error" in await raw.ask("tools/call", {"name": "workflow_create", "arguments": {"definition": NEW}})
    project.configure({"mcp": {"authoring": True}})
    async with project.client("modern", "http") as client:
        assert "workflow_create" not in {tool.name for tool in (await client.list_tools()).tools}
    assert "authoring tools are not offered over HTTP" in project.errors
