from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael.app.config_file import ExecutionSection, step_timeout
from ael.app.settings import Settings, load_settings
from ael.errors import ConfigInvalid, Problem

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a configuration of the person who runs the tests out of them."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "c/ael-config.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        return path

    return write


def problems(path: Path | str, **environment: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigInvalid) as caught:
        load_settings(str(path), environment)
    return caught.value.problems


def load(path: Path, **environment: str) -> Settings:
    return load_settings(str(path), environment)


# -- the search order ----------------------------------------


def test_native_tools_are_told_what_they_may_reach_and_no_more(write: Write) -> None:
    text = """
tools: {native: {enabled: [files], workspace: docs}}
security: {allowed_hosts: [a.example, 10.0.0.0/8], blocked_hosts: [b.example]}
workflows: {directory: flows}
execution: {journal: data/j.db}
"""
    path = write(text)
    environment = {"FIRECRAWL_API_KEY": "fc-0123456789", "OTHER": "x", "WORKSPACE_DIR": "/elsewhere", "HOME": "/absent"}
    settings = load(path, **environment)
    told = settings.servers["native_tools"].env
    assert told["WORKSPACE_DIR"] == str(path.parent / "docs")
    assert json.loads(told["NATIVE_TOOLS_ENABLED"]) == ["files"]
    assert json.loads(told["NATIVE_TOOLS_ALLOWED_HOSTS"]) == ["a.example", "10.0.0.0/8"]
    assert json.loads(told["NATIVE_TOOLS_BLOCKED_HOSTS"]) == ["b.example"]
    protected = {Path(one).name for one in json.loads(told["NATIVE_TOOLS_PROTECTED"])}
    assert {"ael-config.yaml", "flows", "ael-tools.lock", ".ael", "j.db", "j.db.key", "j.db-wal"} <= protected
    assert set(told) == {
        "WORKSPACE_DIR",
        "FIRECRAWL_API_KEY",
        *(f"NATIVE_TOOLS_{name}" for name in ("ENABLED", "ALLOWED_HOSTS", "BLOCKED_HOSTS", "PROTECTED")),
    }
    assert settings.secrets == ("fc-0123456789",)
    plain = load(write("tools: {native: false}\n"), **environment)
    assert (plain.servers, plain.secrets) == ({}, ())


def test_without_a_file_the_defaults_hold_and_no_yaml_is_imported(tmp_path: Path) -> None:
    program = """
import sys
from ael.app.settings import load_settings
settings = load_settings(None, {"HOME": sys.argv[1]})
assert settings.path is None and settings.file.execution.max_concurrent == 10
assert "yaml" not in sys.modules
print(settings.journal)
"""
    made = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert made.stdout.strip() == str(tmp_path / ".local/state/ael/ael.db")


def test_the_first_file_of_the_search_order_wins(write: Write, tmp_path: Path) -> None:
    named = write("server: {name: named}", "named.yaml")
    by_variable = write("server: {name: variable}", "variable.yaml")
    by_other_variable = write("server: {name: other}", "other.yaml")
    here = write("server: {name: here}", "here/ael-config.yaml")
    write("server: {name: home}", "home/.ael/config.yaml")
    home = str(tmp_path / "home")
    everything = {"AEL_CONFIG_PATH": str(by_variable), "AEL_CONFIG": str(by_other_variable), "HOME": home}

    assert load_settings(str(named), everything).file.server.name == "named"
    assert load_settings(None, everything).file.server.name == "variable"
    del everything["AEL_CONFIG_PATH"]
    assert load_settings(None, everything).file.server.name == "other"
    assert load_settings(None, {"HOME": home, "AEL_CONFIG": ""}).file.server.name == "here"
    here.unlink()
    assert load_settings(None, {"HOME": home}).file.server.name == "home"


@pytest.mark.parametrize("by", ["argument", "AEL_CONFIG_PATH", "AEL_CONFIG"])
def test_a_file_that_is_named_must_exist(by: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.yaml")
    with pytest.raises(ConfigInvalid, match="does not exist"):
        load_settings(missing if by == "argument" else None, {} if by == "argument" else {by: missing})


def test_a_named_directory_and_a_named_pipe_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a directory" in problems(tmp_path)[0].message
    assert str(tmp_path / "ael-config.yaml") in problems(tmp_path)[0].suggestion
    assert "not a regular file" in problems(tmp_path / "pipe")[0].message


def test_an_empty_name_is_no_permission_to_search(write: Write) -> None:
    write("server: {name: here}", "here/ael-config.yaml")
    with pytest.raises(ConfigInvalid):
        load_settings("", {})


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "---\n# nothing\n", "\ufeff"])
def test_a_file_that_holds_nothing_means_the_defaults(write: Write, text: str) -> None:
    settings = load(write(text))
    assert settings.file.execution.durability == "commit"
    assert settings.servers == {}


# -- what a file may say ----------------------------------------


def test_values_of_a_file_replace_defaults(write: Write) -> None:
    settings = load(
        write(
            """
execution: {max_concurrent: 3, default_timeout: 12.5, retry: {max_attempts: 5}, durability: lazy}
python_exec: {timeout: 2, max_memory: 33554432, max_tool_calls: 1}
"""
        )
    )
    assert settings.file.execution.max_concurrent == 3
    assert settings.file.execution.default_timeout == 12.5
    assert settings.file.execution.retry.max_attempts == 5
    assert settings.limits.timeout_seconds == 2
    assert settings.limits.max_tool_calls == 1


def test_every_problem_is_reported_at_once_with_place_caret_and_the_nearest_name(write: Write) -> None:
    path = write("executon: {}\nexecution:\n  max_concurent: 3\n  durability: comit\npython_exec:\n  timeout: soon\n")
    found = problems(path)
    assert [(one.location.line, one.location.column) for one in found if one.location] == [
        (1, 1),
        (3, 3),
        (4, 15),
        (6, 12),
    ]
    assert "execution" in found[0].suggestion
    assert "max_concurrent" in found[1].suggestion
    assert "commit" in found[2].suggestion
    assert "^" in found[2].render()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("execution: {max_concurrent: 0}", "'max_concurrent' is at least 1, not 0"),
        ("execution: {step_timeout: 0}", "'step_timeout' is above 0, not 0"),
        ("execution: {default_timeout: -1}", "'default_timeout' is above 0, not -1"),
        ("execution: {retry: {max_attempts: 0}}", "'max_attempts' is at least 1, not 0"),
        ("python_exec: {max_memory: 1}", "'max_memory' is at least 16777216, not 1"),
        ("telemetry: {metrics_port: 70000}", "'metrics_port' is at most 65535"),
        ("mcp: {servers: {a: {command: x, timeout: 0}}}", "'timeout' is above 0, not 0"),
        ("mcp: {servers: {a: {command: x, max_concurrency: 0}}}", "'max_concurrency' is at least 1, not 0"),
    ],
)
def test_numbers_that_could_never_work_are_refused_with_their_place(write: Write, text: str, message: str) -> None:
    (problem,) = problems(write(text))
    assert problem.message == message
    assert problem.location is not None
    value = message.rsplit(" ", 1)[-1] if "not" in message else "70000"
    assert problem.source_line[problem.location.column - 1 :].startswith(value)


# -- servers ----------------------------------------


def test_both_sections_of_servers_merge(write: Write) -> None:
    settings = load(
        write(
            """
mcp: {servers: {git: {command: git-server}, both: {command: x}}}
tools: {mcp_servers: {time: {command: time-server}, both: {command: x, enabled: true, timeout: 30, transport: stdio}}}
"""
        )
    )
    assert sorted(settings.servers) == ["both", "git", "time"]


def test_one_name_with_two_meanings_is_an_error(write: Write) -> None:
    (problem,) = problems(write("mcp: {servers: {a: {command: x}}}\ntools:\n  mcp_servers:\n    a: {command: y}\n"))
    assert "defined differently" in problem.message
    assert problem.location is not None
    assert problem.location.line == 4


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("a__b: {command: x}", "holds '__'"),
        ("a: {}", "exactly one of 'command' and 'url'"),
        ("a: {command: x, url: 'http://localhost'}", "exactly one of 'command' and 'url'"),
        ('a: {command: "x \'y"}', "split like a shell"),
        ("a: {command: ' '}", "the command is empty"),
        ("a: {command: x, headers: {A: b}}", "'headers' is for servers with a 'url'"),
        ("a: {command: x, transport: sse}", "'transport' is for servers with a 'url'"),
        ("a: {url: 'http://h/mcp', args: [x]}", "'args' is for a 'command'"),
        ("a: {url: 'http://h/mcp', env: {X: y}}", "'env' is for a 'command'"),
        ("a: {url: 'http://h/mcp', transport: stdio}", "reached by 'http' or 'sse'"),
        ("a: {url: 'ftp://h/mcp'}", "the URL is not usable"),
        ("a: {url: 'h/mcp'}", "the URL is not usable"),
        ("a: {url: 'http://h:99999/mcp'}", "the URL is not usable"),
        ("a: {url: 'http://h/m cp'}", "the URL is not usable"),
        ("a: {url: 'https://me:secret@h/mcp'}", "the URL holds credentials"),
        ("a: {url: 'http://h/mcp', headers: {'A b': c}}", "the header 'A b' cannot be sent"),
        ('a: {url: "http://h/mcp", headers: {A: "b\\r\\nX: y"}}', "the header 'A' cannot be sent"),
    ],
)
def test_servers_that_cannot_be_reached_are_refused(write: Write, server: str, message: str) -> None:
    (problem,) = problems(write(f"mcp:\n  servers:\n    {server}\n"))
    assert message in problem.message
    assert problem.location is not None
    assert problem.location.line == 3


def test_paths_are_relative_to_the_file(write: Write) -> None:
    path = write(
        """
mcp:
  servers:
    own: {command: "./bin/my server --x 'a b'", cwd: data}
    spaced: {command: "'./my server' --flag"}
    installed: {command: mcp-server-git}
    absolute: {command: /usr/bin/server, cwd: /srv}
workflows: {directories: [flows, /srv/flows]}
execution: {journal: data/journal.db}
"""
    )
    settings = load(path)
    base = path.parent
    assert settings.servers["own"].command == f"{base}/bin/my server --x 'a b'"
    assert settings.servers["own"].cwd == str(base / "data")
    assert settings.servers["spaced"].command == f"'{base}/my server' --flag"
    assert settings.servers["installed"].command == "mcp-server-git"
    assert settings.servers["absolute"].command == "/usr/bin/server"
    assert settings.servers["absolute"].cwd == "/srv"
    assert settings.directories == (base / "flows", Path("/srv/flows"))
    assert settings.journal == base / "data/journal.db"


def test_a_found_file_that_others_can_write_to_starts_no_servers_and_says_how_to_name_it(write: Write) -> None:
    path = write("mcp: {servers: {a: {command: x}}}", "here/ael-config.yaml")
    assert load_settings(None, {}).servers_refused == ""
    for mode in (0o664, 0o646):
        path.chmod(mode)
        assert "--config" in load_settings(None, {}).servers_refused
        assert load_settings(str(path), {}).servers_refused == ""
        assert load_settings(None, {"AEL_CONFIG_PATH": str(path)}).servers_refused == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_found_file_of_another_user_starts_no_servers(write: Write, tmp_path: Path) -> None:
    path = write("mcp: {servers: {a: {command: x}}}", "here/ael-config.yaml")
    os.chown(path, 12345, 12345)
    assert "another user" in load_settings(None, {}).servers_refused
    path.unlink()
    path.symlink_to(write("mcp: {servers: {a: {command: x}}}", "mine.yaml"))
    assert load_settings(None, {}).servers_refused == ""
    os.lchown(path, 12345, 12345)
    assert "another user" in load_settings(None, {}).servers_refused


# -- variables ----------------------------------------


def test_variables_fill_values_after_parsing(write: Write) -> None:
    path = write(
        """
server: {name: "${NAME}", version: "${ABSENT:-1.2}"}
execution: {max_concurrent: "${NUMBER}"}
mcp:
  servers:
    a: {command: "run $$HOME $${X} $5", args: ["--x=${NAME}", "${EMPTY:-}"]}
"""
    )
    with pytest.raises(ConfigInvalid):
        load(path, NAME="n", NUMBER="4")
    path.write_text(
        path.read_text()
        .replace('"${NUMBER}"', "${NUMBER}")
        .replace("{max_concurrent: $", "\n  max_concurrent: $")
        .replace("R}}", "R}")
    )
    settings = load(path, NAME="a: {b: c}", NUMBER="4")
    assert settings.file.server.name == "a: {b: c}"
    assert settings.file.server.version == "1.2"
    assert settings.file.execution.max_concurrent == 4
    assert settings.servers["a"].command == "run $HOME ${X} $5"
    assert settings.servers["a"].args == ("--x=a: {b: c}", "")


def test_a_variable_that_is_absent_is_an_error_with_its_place_or_its_own_message(write: Write) -> None:
    path = write("server:\n  name: ${NAME}\n  version: ${VERSION:?give the version}\n")
    first, second = problems(path, VERSION="")
    assert "NAME is not set" in first.message
    assert "${NAME:-default}" in first.suggestion
    assert second.message == "give the version"
    assert second.location is not None
    assert (second.location.line, second.location.column) == (3, 12)


@pytest.mark.parametrize("text", ["${1X}", "${X", "${X-default}", "${}", "${X:+y}"])
def test_what_looks_like_a_variable_and_is_none_is_refused(write: Write, text: str) -> None:
    (problem,) = problems(write(f"server: {{name: '{text}'}}"), X="x")
    assert "begins no variable" in problem.message


@pytest.mark.parametrize("environment", [{}, {"X": "x"}])
def test_a_default_holds_no_other_variable(write: Write, environment: dict[str, str]) -> None:
    (problem,) = problems(write("server: {name: '${X:-${Y:-y}}'}"), **environment)
    assert problem.message == "what stands behind ${X:- begins another variable"


def test_an_escaped_dollar_stays_one_also_through_an_alias(write: Write) -> None:
    path = write(
        "mcp:\n  servers:\n    a: {command: x, env: &shared {A: '$${B}'}}\n    b: {command: y, env: *shared}\n"
    )
    settings = load(path, B="not this")
    assert settings.servers["a"].env == settings.servers["b"].env == {"A": "${B}"}


def test_keys_are_never_filled(write: Write) -> None:
    settings = load(write("mcp: {servers: {a: {command: x, env: {'${B}': y}}}}"), B="b")
    assert settings.servers["a"].env == {"${B}": "y"}


def test_what_variables_bring_into_env_headers_and_auth_is_secret(write: Write) -> None:
    path = write(
        """
server: {name: "${NAME}"}
mcp:
  servers:
    a: {command: x, env: {TOKEN: "${TOKEN}", SHORT: "${SHORT}", PLAIN: in-the-file, DEFAULT: "${NO:-a-default-value}"}}
    b: {url: "http://localhost", headers: {Authorization: "Bearer ${HEADER}"}}
"""
    )
    settings = load(path, NAME="not-a-secret", TOKEN="12345678", SHORT="1234567", HEADER="header-secret")
    assert set(settings.secrets) == {"12345678", "header-secret"}
    assert settings.servers["a"].env["TOKEN"] == "12345678"


def test_an_error_never_shows_a_secret(write: Write) -> None:
    path = write("auth: {required: '${SECRET}'}\n")
    (problem,) = problems(path, SECRET="hunter2-hunter2")
    assert "hunter2" not in problem.render()
    assert "***" in problem.message


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_no_value_of_a_variable_ever_adds_structure(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.getbasetemp() / "structure.yaml"
    path.write_text('mcp: {servers: {a: {command: x, env: {A: "${A}", B: "b-${A}"}}}}\n')
    settings = load(path, A=value)
    assert settings.servers["a"].env == {"A": value, "B": f"b-{value}"}


# -- the environment ----------------------------------------


def test_the_environment_wins_over_the_file(write: Write) -> None:
    path = write("logging: {level: ERROR}\ntelemetry: {enabled: false, metrics: true}\n")
    settings = load(path, LOG_LEVEL="warn", AEL_TELEMETRY_ENABLED="1", AEL_METRICS_ENABLED="false", AEL_DB="x/y.db")
    assert settings.file.logging.level == "WARNING"
    assert settings.file.telemetry.enabled
    assert not settings.file.telemetry.metrics
    assert settings.file.telemetry.traces
    assert settings.journal == Path("x/y.db")
    assert load_settings(None, {"LOG_LEVEL": "debug", "HOME": "/"}).file.logging.level == "DEBUG"


@pytest.mark.parametrize("variable", ["LOG_LEVEL", "AEL_TRACES_ENABLED"])
def test_a_variable_that_says_nothing_known_is_refused(variable: str) -> None:
    with pytest.raises(ConfigInvalid, match=variable):
        load_settings(None, {variable: "loud", "HOME": "/"})


def test_templates_read_only_variables_that_are_listed(write: Write) -> None:
    settings = load(write("security: {template_env: [REGION, ABSENT]}"), REGION="eu", OTHER="x")
    assert settings.template_env == {"REGION": "eu"}


# -- places ----------------------------------------


def test_the_journal_is_beside_the_file(write: Write) -> None:
    path = write("server: {}")
    assert load(path, HOME=str(path.parent)).journal == path.parent / ".ael" / "ael.db"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_the_journal_of_a_file_in_a_directory_that_cannot_be_written_is_in_the_state_directory(
    write: Write, tmp_path: Path
) -> None:
    path = write("server: {}")
    path.parent.chmod(0o555)
    try:
        assert load(path, XDG_STATE_HOME=str(tmp_path)).journal == tmp_path / "ael" / "ael.db"
    finally:
        path.parent.chmod(0o755)


def test_the_state_directory_follows_the_xdg_specification(tmp_path: Path) -> None:
    assert load_settings(None, {"XDG_STATE_HOME": "/x"}).state == Path("/x/ael")
    ignored = load_settings(None, {"XDG_STATE_HOME": "relative", "HOME": str(tmp_path)})
    assert ignored.state == tmp_path / ".local/state/ael"


@pytest.mark.parametrize("environment", [{}, {"HOME": ""}, {"HOME": "/dev/null/home"}, {"HOME": "relative"}])
def test_without_a_home_a_private_directory_serves(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = load_settings(None, environment)
    private = tmp_path / f"ael-{os.geteuid()}"
    assert settings.state == private
    assert settings.journal == private / "ael.db"
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_somebody_prepared_for_us_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    private = tmp_path / f"ael-{os.geteuid()}"
    private.mkdir()
    private.chmod(0o777)
    settings = load_settings(None, {})
    assert settings.state is None
    assert settings.journal is None
    private.rmdir()
    private.symlink_to(tmp_path / "here")
    assert load_settings(None, {}).state is None


def test_relative_workflow_directories_are_looked_up_beside_the_file_then_here(write: Write, tmp_path: Path) -> None:
    path = write("workflows: {directory: flows}")
    assert load(path).directories == (path.parent / "flows",)
    (tmp_path / "here" / "flows").mkdir()
    assert load(path).directories == (Path("flows"),)
    (path.parent / "flows").mkdir()
    assert load(path).directories == (path.parent / "flows",)


# -- hostile files ----------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "server: !!python/object/apply:os.system [id]",
        "[" * 5000,
        "server: {name: x, name: y}",
        "- a list",
        "just text",
        "server: null",
        "mcp: {servers: [a, b]}",
        "\ta: b",
        "x" * (1024 * 1024 + 1),
    ],
)
def test_a_hostile_file_is_an_error_never_a_crash(write: Write, text: str) -> None:
    assert problems(write(text))


def test_a_file_that_is_not_utf_8_is_an_error(write: Write) -> None:
    path = write("")
    path.write_bytes(b"server: {name: \xff}")
    assert re.search("UTF-8", problems(path)[0].message)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 30),
        ({"default_timeout": 10}, 10),
        ({"default_timeout": 120}, 120),
        ({"step_timeout": 5}, 5),
        ({"step_timeout": 60, "default_timeout": 40}, 40),
        ({"step_timeout": 60, "default_timeout": 400}, 60),
    ],
)
def test_the_time_of_the_whole_moves_the_time_of_a_tool_step(given: dict[str, float], seconds: float) -> None:
    section = ExecutionSection(default_timeout=given.get("default_timeout"), step_timeout=given.get("step_timeout"))
    assert step_timeout(section) == seconds
