"""validate, schema, version, doctor, workflows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import yaml

from ael import __version__

EXAMPLES = Path(__file__).parents[2] / "examples"
Write = Callable[[str, str], str]


def test_every_example_is_valid_and_matches_the_schema(ael) -> None:
    done = ael("validate", "--strict", str(EXAMPLES))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓ Workflow") == len(list((EXAMPLES / "workflows").glob("*.yaml")))
    schema = json.loads(ael("schema").stdout)
    for file in (EXAMPLES / "workflows").glob("*.yaml"):
        jsonschema_rs.validate(schema, yaml.safe_load(file.read_text()))


def test_validate_names_every_mistake_with_its_place(ael, write: Write) -> None:
    path = write(
        "bad.yaml",
        """name: bad
version: 1
steps:
  - id: one
    code: |
      import os
      return {{ inputs.nothing }}
  - id: two
    depends_on: three
    tool: x
    params: {a: "{{ steps.on.output }}", b: "{{ 1 | uper }}"}
""",
    )
    done = ael("validate", path)
    assert done.returncode == 1
    for part in (
        ":6:7: error: the import of 'os' is not allowed",
        "unknown input 'nothing'",
        ":9:17: error: depends_on names the unknown step 'three'",
        "unknown step 'on'",
        "Did you mean 'one'?",
        "Did you mean 'upper'?",
    ):
        assert part in done.stderr
    annotated = ael("validate", path, "--format", "github").stdout
    assert f"::error file={path},line=6,col=7::the import of 'os'" in annotated
    report = json.loads(ael("validate", path, "--json").stdout)
    assert report[0]["valid"] is False


def test_a_block_without_a_result_is_a_warning_and_an_error_when_strict(ael, write: Write) -> None:
    path = write("quiet.yaml", "name: quiet\nversion: 1\nsteps: [{id: a, code: 'x = 1'}]\n")
    assert ael("validate", path).returncode == 0
    strict = ael("validate", path, "--strict")
    assert strict.returncode == 1
    assert "gives no result" in strict.stderr


def test_version_has_a_text_and_a_json_form(ael) -> None:
    assert ael("version").stdout == f"ael {__version__}\n"
    assert json.loads(ael("version", "--json").stdout) == {"version": __version__}
    assert ael("--version").stdout == f"ael {__version__}\n"


def test_help_lists_every_command(ael) -> None:
    shown = ael("--help").stdout
    for command in ("run", "validate", "schema", "executions", "doctor", "version"):
        assert f"  {command} " in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_doctor_reports_the_layers_in_force_and_fails_on_a_dead_server(ael, write: Write) -> None:
    healthy = ael("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(healthy.stdout)}
    assert healthy.returncode == 0
    assert "seccomp" in checks["sandbox"]["detail"]
    assert checks["journal"]["status"] == "ok"
    config = write("config.yaml", "mcp: {servers: {gone: {command: no-such-command-here}}}\n")
    sick = ael("doctor", "-c", config)
    assert sick.returncode == 1
    assert "the command 'no-such-command-here' does not exist" in sick.stdout


def test_registered_workflows_run_by_name_and_the_highest_version_wins(ael, write: Write) -> None:
    for version, text in (("1.9", "nine"), ("1.10", "ten")):
        write(
            f"workflows/greet-{version}.yaml",
            f"name: greet\nversion: {version}\nsteps: [{{id: a, code: 'return \"{text}\"'}}]\n",
        )
    write("ael-config.yaml", "workflows: {directory: ./workflows}\n")
    assert ael("run", "greet").stdout == "ten\n"
    assert ael("run", "greet@1.9").stdout == "nine\n"
    assert "Did you mean 'greet'?" in ael("run", "gret").stderr
    assert "greet" in ael("list").stdout


def test_the_configuration_schema_accepts_the_example(ael) -> None:
    schema = json.loads(ael("schema", "config").stdout)
    jsonschema_rs.validate(schema, yaml.safe_load((EXAMPLES / "ael-config.yaml").read_text()))
