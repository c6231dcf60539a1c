"""AEL's own tools through its command line: `tools.native` and `ael native-tools`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str, str], str]

WORKFLOW = """
name: copy
version: "1"
inputs: {text: string}
steps:
  - id: write
    tool: fs_write
    params: {path: out/copy.txt, content: "{{ inputs.text }}"}
  - id: read
    tool: native_tools__fs_read
    params: {path: "{{ steps.write.output.path }}"}
output: "{{ steps.read.output.content }}"
"""


def test_one_line_of_configuration_offers_them(ael, write: Write, tmp_path: Path) -> None:
    write("ael-config.yaml", "tools: {native: true}\n")
    listed = json.loads(ael("tools", "list", "--source", "native", "--json").stdout)["tools"]
    assert {"fs_read", "data_validate"} <= {tool["name"] for tool in listed}
    assert {(tool["source"], tool["server"]) for tool in listed} == {("mcp", "native_tools")}
    done = ael("run", write("copy.yaml", WORKFLOW), "-i", "text=hello")
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert (tmp_path / "workspace/out/copy.txt").read_text() == "hello"


ATTACK = """
name: attack
tools: ["fs_*"]
version: "1"
steps:
  - id: attack
    timeout: 60
    code: |
      told = {}
      paths = ["ael-config.yaml", "flows/copy.yaml", "flows/new.yaml", "ael-tools.lock", ".ael/ael.db", "other/name"]
      for path in paths:
          for tool, more in (("fs_read", {}), ("fs_write", {"content": "x"}), ("fs_delete", {})):
              try:
                  told[f"{tool} {path}"] = str(await tools.call(tool, {"path": path, **more}))
              except ToolError as error:
                  told[f"{tool} {path}"] = error.detail
      listed = await tools.call("fs_list", {"recursive": True})
      return {"told": told, "listed": [one["path"] for one in listed["entries"]]}
output: "{{ steps.attack.output }}"
"""


def test_configuration_workflows_lock_file_and_records_are_out_of_bounds(ael, write: Write, tmp_path: Path) -> None:
    write(
        "ael-config.yaml",
        "tools: {native: {workspace: .}}\nworkflows: {directory: flows}\npython_exec: {max_tool_calls: 50}\n",
    )
    write("flows/copy.yaml", WORKFLOW)
    write("flows/attack.yaml", ATTACK)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/name").hardlink_to(tmp_path / "flows/copy.yaml")
    done = ael("run", "attack")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["told"]) == 18
    assert {what: told for what, told in found["told"].items() if "out of bounds" not in told} == {}
    assert "other" in found["listed"]
    assert [path for path in found["listed"] if path.startswith(("ael", "flows", ".ael", "other/"))] == []


def test_some_of_them_can_be_chosen_and_a_wrong_name_is_told(ael, write: Write) -> None:
    write("ael-config.yaml", "tools: {native: {enabled: [fs_read, data]}}\n")
    listed = json.loads(ael("tools", "list", "--source", "native", "--json").stdout)["tools"]
    assert "fs_read" in {tool["name"] for tool in listed}
    assert "fs_write" not in {tool["name"] for tool in listed}
    write("ael-config.yaml", "tools: {native: {enabled: [fs_raed]}}\n")
    # Where lines break depends on where this stands.
    assert "Did you mean 'fs_read'?" in " ".join(ael("tools", "list").stderr.split())


@pytest.mark.parametrize("name", ["firecrawl_search", "native_tools__firecrawl_search"])
def test_one_that_lacks_something_is_unavailable_with_what_to_set(ael, write: Write, name: str) -> None:
    write("ael-config.yaml", "tools: {native: {enabled: [firecrawl]}}\n")
    step = f"{{id: a, tool: {name}, params: {{query: x}}}}"
    done = ael("run", write("w.yaml", f"name: w\nversion: 1\nsteps: [{step}]\n"))
    assert done.returncode == 1
    assert "TOOL_UNAVAILABLE" in done.stderr
    assert "set FIRECRAWL_API_KEY" in done.stderr
    listed = json.loads(ael("tools", "list", "--status", "unavailable", "--json").stdout)["tools"]
    assert "firecrawl_search" in {tool["name"] for tool in listed}
    key = {"FIRECRAWL_API_KEY": "fc-0123456789"}
    listed = json.loads(ael("tools", "list", "--status", "available", "--json", **key).stdout)["tools"]
    assert "firecrawl_search" in {tool["name"] for tool in listed}


@pytest.mark.parametrize(
    "section", ["mcp: {servers: {native_tools: {command: x}}}", "tools: {mcp_servers: {native_tools: {command: x}}}"]
)
def test_no_other_server_may_have_their_name(ael, write: Write, section: str) -> None:
    write("ael-config.yaml", section + "\n")
    done = ael("tools", "list")
    assert done.returncode == 1
    assert "'native_tools' is the name of the tools that come with AEL" in done.stderr
    assert "ael-config.yaml:1:" in done.stderr


def test_any_client_can_have_them_from_the_command(ael, write: Write, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    place = shlex.quote(str(tmp_path / "elsewhere"))
    command = f"{shlex.quote(sys.executable)} -m ael native-tools --workspace {place} --enable files"
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {"other": {"command": command}}}}))
    done = ael("tools", "call", "other__fs_write", "-p", "path=f", "-p", "content=x")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere/f").read_text() == "x"
    assert ael("native-tools", "--transport", "http", "--host", "0.0.0.0").returncode == 1
    assert ael("native-tools", "-c", "absent.yaml").returncode == 1
