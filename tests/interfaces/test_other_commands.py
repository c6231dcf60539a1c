"""validate, schema, version, doctor, workflows."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def in_a_terminal(columns: int, *arguments: str, **process: Any) -> list[str]:
    """Run a command whose output is a terminal; return the lines that it shows."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    running = subprocess.Popen(
        [sys.executable, "-m", "ael", *arguments], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, **process
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError as error:
        # What Linux says once nobody has the other end any more.
        assert error.errno == errno.EIO
    finally:
        os.close(ours)
        running.wait()
    return shown.decode().splitlines()


def test_what_people_see_fits_their_terminal_and_nothing_of_it_is_lost(
    ael, write: Write, environment: dict[str, str], tmp_path: Path
) -> None:
    server = "a_server_with_a_name_of_its_own"
    place = Path(__file__).parents[1] / "tools/servers/hostile.py"
    servers = {server: {"command": sys.executable, "args": [str(place), "plain"]}}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": {**servers, "gone": {"command": "gone-" + "x" * 30}}}}))
    step = "  - {id: a-step-with-a-name-that-is-quite-long-for-a-step, wait: {seconds: 0}}"
    path = write("workflows/broken.yaml", f"name: broken\nversion: 1\nsteps:\n{step}\n")
    words = "describes itself " * 12
    write("workflows/long.yaml", f"name: long\nversion: 1\ndescription: {words}\n{'steps: [{id: a, wait: 0}]'}\n")
    terminal = {"cwd": tmp_path, "env": {**environment, "NO_COLOR": "1"}}
    for command in (
        ["validate", path], ["doctor"], ["workflows", "list"], ["workflows", "show", "long"], ["tools", "list"],
    ):  # fmt: skip
        lines = in_a_terminal(80, *command, **terminal)
        # A path of the test's own may be longer, and is never cut.
        assert [line for line in lines if len(line) > 80 and "/" not in line] == []
    lines = in_a_terminal(80, "validate", path, **terminal)
    told = " ".join(" ".join(lines).split())
    assert "is not allowed: a hyphen reads as minus in templates" in told
    # Programs read each problem in one line.
    assert (
        "error: the step id 'a-step-with-a-name-that-is-quite-long-for-a-step' is not allowed: a hyphen reads"
        in (ael("validate", path).stderr.splitlines()[0])
    )
    wide = in_a_terminal(2000, "validate", path, **terminal)
    assert "a hyphen reads as minus in templates" in wide[0]
