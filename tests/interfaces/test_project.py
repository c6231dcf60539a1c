"""Starting a project, drawing a workflow, checking its tools: init, workflows graph, validate --check-tools."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

Write = Callable[[str, str], str]
SERVERS = Path(__file__).parents[1] / "tools/servers"

GRAPH = """\
name: shape
version: "1.10"
steps:
  - {id: start, code: return 1}
  - {id: left, depends_on: [start], tool: fetch, params: {url: "<x>"}}
  - {id: right, depends_on: [start], foreach: "{{ [1, 2] }}", workflow: child@2}
  - {id: ask, approval: {message: Go?}}
  - {id: pause, when: inputs.n > 3 and "a|b" != "c", wait: {seconds: 2.5}}
  - {id: end, wait: {until: 2030-01-31T09:00:00Z}}
inputs: [{n: {type: integer}}]
on_failure: [{id: tell, tool: notify}]
finally: [{id: clean, code: return 1}]
"""


@pytest.fixture
def shape(write: Write) -> Callable[..., str]:
    """Write a workflow of every shape beside the child that it names; returns its path."""

    def make(text: str = GRAPH) -> str:
        write("workflows/child.yaml", "name: child\nversion: 2\nsteps: [{id: a, code: return 1}]\n")
        return write("shape.yaml", text)

    return make


def test_init_writes_a_project_that_works_and_never_overwrites(ael, tmp_path: Path) -> None:
    done = ael("init", "shop", "--json")
    assert done.returncode == 0
    assert {row["outcome"] for row in json.loads(done.stdout)} == {"written"}
    config = tmp_path / "shop/ael-config.yaml"
    workflow = tmp_path / "shop/workflows/order-total.yaml"
    first = workflow.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../.ael/workflow.schema.json"
    schema = json.loads((workflow.parent / first.partition("$schema=")[2]).read_text())
    jsonschema_rs.validate(schema, yaml.safe_load(workflow.read_text()))
    ran = ael("run", "order-total", "-c", str(config), "-i", "customer=Ada")
    assert json.loads(ran.stdout)["message"] == "Hello, Ada! That makes 7.5."
    assert ael("validate", "--strict", "shop").returncode == 0
    config.write_text("# mine\n")
    (tmp_path / "shop/.ael/workflow.schema.json").write_text("{}")
    again = {row["path"]: row["outcome"] for row in json.loads(ael("init", "shop", "--json").stdout)}
    assert again.pop("shop/.ael/workflow.schema.json") == "written"
    assert set(again.values()) == {"kept"}
    assert config.read_text() == "# mine\n"
    assert "Now try: ael run order-total" in ael("init").stdout


def test_init_says_what_it_cannot_write(ael, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ael("init", "file/below")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/ael-config.yaml").symlink_to(tmp_path / "nowhere")
    assert "= linked/ael-config.yaml  is there already" in ael("init", "linked").stdout
    assert not (tmp_path / "nowhere").exists()


def test_a_graph_in_the_terminal_has_a_line_for_each_step(ael, shape: Callable[..., str]) -> None:
    done = ael("workflows", "graph", shape())
    assert (
        done.stdout
        == """\
shape 1.10

  start                      code
  |
  +-- left                   tool fetch
  +-- right                  workflow child@2 for each of [1, 2]
  |
  ask                        approval
  |
  pause                      wait 2.5s when inputs.n > 3 and "a|b" != "c"
  |
  end                        wait until 2030-01-31T09:00:00Z

on failure:
  tell                       tool notify

finally:
  clean                      code
"""
    )


def test_a_graph_for_markdown_holds_every_step_and_edge(ael, shape: Callable[..., str]) -> None:
    drawn = ael("workflows", "graph", shape(), "--format", "mermaid").stdout
    lines = drawn.splitlines()
    assert lines[0] == "flowchart TD"
    edges = re.findall(r"step_(\w+) --> step_(\w+)", drawn)
    assert edges == [
        ("start", "left"),
        ("start", "right"),
        ("left", "ask"),
        ("right", "ask"),
        ("ask", "pause"),
        ("pause", "end"),
    ]
    labels = re.findall(r'"([^"]*)"', drawn)
    assert len(labels) == 10  # eight steps, two sections
    assert not any(sign in label.replace("<br/>", "") for label in labels for sign in '<>"|[]')
    assert drawn.count("subgraph") == sum(line.strip() == "end" for line in lines) == 2


def test_a_graph_for_a_browser_is_well_formed_and_escapes_what_the_file_says(ael, shape: Callable[..., str]) -> None:
    text = GRAPH.replace("tool: notify", "tool: '<script>&'")
    drawn = ael("workflows", "graph", shape(text), "--format", "svg").stdout
    root = ET.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f".//{space}rect")) == 8
    assert len(root.findall(f"{space}path")) == 6
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for box in root.iter(f"{space}rect"):
        x, y, w, h = (float(box.get(name, "-1")) for name in ("x", "y", "width", "height"))
        assert x >= 0 <= y
        assert x + w <= width
        assert y + h <= height
    assert "<script" not in drawn
    assert json.loads(ael("workflows", "graph", shape(text), "--json").stdout)["format"] == "ascii"


def test_a_step_that_waits_for_one_below_it_is_drawn_below_it(ael, write: Write) -> None:
    text = "name: f\nversion: 1\nsteps:\n  - {id: b, depends_on: [a], code: return 1}\n  - {id: a, depends_on: [], code: return 2}\n"
    lines = ael("workflows", "graph", write("f.yaml", text)).stdout.splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == ["f", "a", "|", "b"]


@pytest.fixture
def check(ael, write: Write):
    def run(steps: str, servers: str = "time: {command: mcp-server-time}", head: str = "") -> list[str]:
        write("ael-config.yaml", f"mcp: {{servers: {{{servers}}}}}\n")
        done = ael(
            "validate",
            "--check-tools",
            "--format",
            "github",
            write("f.yaml", f"name: f\nversion: 1\n{head}steps:\n{steps}"),
        )
        assert done.returncode == int("::error" in done.stdout), done.stderr
        return [line.partition("f.yaml,")[2] for line in done.stdout.splitlines()]

    return run


def test_tools_and_parameters_are_checked_against_the_servers(check) -> None:
    found = check(
        """\
  - {id: a, tool: convert_time, params: {source_timezone: "{{ 1 + 1 }}", time: 3, target_timezon: UTC}}
  - {id: b, tool: convert_tim}
  - {id: c, tool: time__get_current_time, params: {timezone: "{{ steps.b.output }}"}}
  - id: d
    code: |
      call_tool("nope", {})
      return call_tool("get_current_time", {"timezone": "UTC"})
"""
    )
    assert [re.match(r"line=(\d+),col=(\d+)::", line)[0] for line in found] == [  # type: ignore[index]  # each matches
        "line=4,col=41::",
        "line=4,col=80::",
        "line=4,col=99::",
        "line=5,col=19::",
        "line=9,col=7::",
    ]
    text = "\n".join(found)
    for said in ('3 is not of type "string"', '"target_timezone" is a required property', "Did you mean 'convert_time'?",
                 "the tool has no parameter 'target_timezon'", "tool 'nope'"):  # fmt: skip
        assert said in text, text


def test_what_templates_decide_is_left_to_them(check) -> None:
    assert check("  - {id: a, tool: get_current_time, params: {timezone: '{{ 5 }}'}}\n") == []


def test_a_server_that_fails_is_the_reason(check) -> None:
    found = check(
        "  - {id: a, tool: x__y}\n", f"x: {{command: '{sys.executable}', args: ['{SERVERS / 'hostile.py'}', exit]}}"
    )
    assert len(found) == 1
    assert "server 'x'" in found[0]


def test_code_that_calls_out_of_scope_is_told(check) -> None:
    found = check("  - {id: a, code: 'return call_tool(\"get_current_time\", {})'}\n", head="tools: [convert_time]\n")
    assert len(found) == 1
    assert "which `tools` does not allow" in found[0]


def test_without_the_option_no_server_is_started(ael, write: Write) -> None:
    write("ael-config.yaml", "mcp: {servers: {x: {command: /no/such/program}}}\n")
    path = write("f.yaml", "name: f\nversion: 1\nsteps: [{id: a, tool: x__y}]\n")
    assert ael("validate", path).returncode == 0
    assert "'/no/such/program' does not exist" in ael("validate", "--check-tools", path).stderr
