"""What every command has in common: options, streams, exit codes, signals, terminals."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

HELLO = str(Path(__file__).parents[2] / "examples" / "workflows" / "hello-world.yaml")
Write = Callable[[str, str], str]
Ael = Callable[..., subprocess.CompletedProcess[str]]

SLOW = """
name: slow
version: 1
steps:
  - {id: first, code: return 1}
  - {id: second, wait: {seconds: 600}}
"""


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `ael` without waiting for it."""

    def start(*arguments: str, **attributes: object) -> subprocess.Popen[bytes]:
        options: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **attributes}
        command = [sys.executable, "-m", "ael", *arguments]
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # any option
            command, env=environment, cwd=tmp_path, **options
        )
        return process

    return start


# -- options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--json", "version"], ["version", "--json"]])
def test_global_options_stand_before_or_after_the_command(ael: Ael, arguments: list[str]) -> None:
    assert json.loads(ael(*arguments).stdout)["version"]


def test_global_options_work_after_the_command_of_a_group_too(ael: Ael) -> None:
    for arguments in (
        ["--json", "executions", "list"],
        ["executions", "--json", "list"],
        ["executions", "list", "--json"],
    ):
        assert json.loads(ael(*arguments).stdout) == []


def test_help_and_version_import_no_more_than_click(ael: Ael) -> None:
    for arguments in (["--help"], ["version"], ["--version"]):
        done = ael(*arguments, PYTHONPROFILEIMPORTTIME="1")
        imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
        assert "click" in imported
        assert not imported & {"msgspec", "asyncio", "yaml", "jinja2", "sqlite3", "ael.errors", "json", "difflib"}


def test_help_names_every_command_and_the_completion_of_the_shell(ael: Ael) -> None:
    done = ael("--help")
    assert done.returncode == 0
    for word in ("run", "validate", "schema", "executions", "doctor", "version", "_AEL_COMPLETE=bash_source"):
        assert word in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(ael: Ael, shell: str) -> None:
    assert "ael" in ael(_AEL_COMPLETE=f"{shell}_source").stdout


def test_the_shell_completes_commands_and_options(ael: Ael) -> None:
    done = ael(_AEL_COMPLETE="bash_complete", COMP_WORDS="ael va", COMP_CWORD="1")
    assert "validate" in done.stdout
    done = ael(_AEL_COMPLETE="bash_complete", COMP_WORDS="ael run --see", COMP_CWORD="2")
    assert "--seed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["executions", "shwo"], "'show'"),
        (["workflows", "lst"], "'list'"),
        (["--jsn", "version"], "--json"),
        (["schema", "konfig"], "'config'"),
        (["validate"], "Missing argument"),
        (["run", HELLO, "-t", "0"], "-t"),
        (["run", HELLO, "--seed", "-1"], "--seed"),
        (["run", HELLO, "-i", b"name=\xff".decode(errors="surrogateescape")], "not UTF-8"),
        (["--config"], "requires an argument"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_near(ael: Ael, arguments: list[str], message: str) -> None:
    done = ael(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


# -- errors as JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "absent.yaml", "run", HELLO],
        ["-c", "absent.yaml", "validate", HELLO],
        ["-c", "absent.yaml", "doctor"],
        ["-c", "absent.yaml", "workflows", "list"],
        ["-c", "absent.yaml", "executions", "list"],
        ["run", "absent.yaml"],
        ["run", HELLO, "-i", "nmae=x"],
        ["run", HELLO, "-i", "name=@absent"],
        ["run", HELLO, "--input-file", "absent"],
        ["workflows", "show", "absent"],
        ["executions", "show", "exec-0"],
    ],
)
def test_every_error_is_json_where_json_was_asked_for(ael: Ael, arguments: list[str]) -> None:
    done = ael(*arguments, "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"]
    assert error["message"]
    assert done.stderr == ""


def test_all_problems_of_a_configuration_stand_in_the_json_with_their_places(ael: Ael, write: Write) -> None:
    path = write("config.yaml", "executon: {}\npython_exec: {timeout: soon}\n")
    error = json.loads(ael("--json", "-c", path, "run", HELLO).stdout)["error"]
    assert [problem["location"]["line"] for problem in error["problems"]] == [1, 2]


def test_a_failed_execution_is_printed_whole_as_json(ael: Ael, write: Write) -> None:
    path = write("fails.yaml", "name: fails\nversion: 1\nsteps: [{id: a, code: 1 / 0}]\n")
    done = ael("run", path, "--json")
    execution = json.loads(done.stdout)
    assert done.returncode == 1
    assert (execution["status"], execution["steps_failed"]) == ("failed", 1)
    assert execution["error"]["code"] == "CODE_RUNTIME"


# -- results ------------------------------------------------------------------------------------------------


def test_a_string_goes_into_a_pipe_as_it_is(ael: Ael, write: Write) -> None:
    path = write("raw.yaml", "name: raw\nversion: 1\nsteps: [{id: a, code: 'return \"\\x1b[31mred\\x07 ü\"'}]\n")
    assert ael("run", path).stdout == "\x1b[31mred\x07 ü\n"


def test_output_is_utf_8_whatever_the_locale(ael: Ael, write: Write) -> None:
    path = write("raw.yaml", "name: raw\nversion: 1\nsteps: [{id: a, code: 'return [\"ü€😀\"]'}]\n")
    done = ael("run", path, PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout) == ["ü€😀"]


def test_json_holds_no_character_that_a_terminal_obeys(ael: Ael, write: Write) -> None:
    path = write("raw.yaml", "name: raw\nversion: 1\nsteps: [{id: a, code: 'return [\"\\x9b\\x1b\\u202e\\x7f\"]'}]\n")
    done = ael("run", path)
    assert json.loads(done.stdout) == ["\x9b\x1b\u202e\x7f"]
    assert done.stdout.isascii()


def test_an_error_of_code_shows_its_line_with_a_caret(ael: Ael, write: Write) -> None:
    path = write(
        "line.yaml", "name: line\nversion: 1\nsteps:\n  - id: a\n    code: |\n      x = 1\n      return x / 0\n"
    )
    done = ael("run", path)
    assert f"in step 'a', {path}:7:" in done.stderr
    lines = done.stderr.splitlines()
    shown = next(number for number, line in enumerate(lines) if "return x / 0" in line)
    assert lines[shown + 1].index("^") == lines[shown].index("return")


def test_the_error_of_a_tool_or_of_code_cannot_steer_a_terminal(ael: Ael, write: Write) -> None:
    path = write(
        "evil.yaml", "name: evil\nversion: 1\nsteps: [{id: a, code: 'raise ValueError(\"\\x1b[2J\\x9b\\u202e\")'}]\n"
    )
    for arguments in (["run", path], ["run", path, "--trace"]):
        stderr = ael(*arguments).stderr
        assert "\\x1b[2J" in stderr
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", stderr)


def test_a_full_disk_behind_standard_output_is_an_error_in_one_line(
    start: Callable[..., subprocess.Popen[bytes]],
) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start("run", HELLO, stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"No space left" in stderr
    assert b"Traceback" not in stderr


def test_quiet_says_nothing_but_results_and_errors(ael: Ael) -> None:
    assert ael("-q", "workflows", "list").stderr == ""
    assert ael("workflows", "list").stderr == "0 workflows\n"
    assert ael("run", HELLO, "-v", "-q").stdout == "Hello, World!\n"


def test_plain_lines_about_steps_are_appended_with_v(ael: Ael, write: Write) -> None:
    path = write(
        "steps.yaml",
        "name: s\nversion: 1\nsteps:\n  - {id: one, code: return 1}\n  - {id: two, when: 'false', code: return 2}\n",
    )
    done = ael("run", path, "-v")
    assert re.search(r"^✓ one .*s$", done.stderr, re.MULTILINE)
    assert re.search(r"^○ two .*condition is false$", done.stderr, re.MULTILINE)
    assert "\x1b" not in done.stderr
    assert ael("run", path).stderr == ""


# -- terminals ----------------------------------------------------------------------------------------------


def on_terminal(start: Callable[..., subprocess.Popen[bytes]], *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Run `ael` on a terminal of its own; return its exit code and all that the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    got = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            # Linux says EIO where the last writer has gone.
            break
        if not part:
            break
        got += part
    os.close(ours)
    return process.wait(timeout=60), got.decode()


def test_a_terminal_shows_the_running_step_and_takes_it_back(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    code, got = on_terminal(start, "run", HELLO)
    assert code == 0
    assert "… greet" in got
    assert re.search(r"\r\x1b\[K\x1b\[32m✓\x1b\[0m greet +[0-9.]+ (ms|µs|s)\r\n", got)
    assert got.endswith("Hello, World!\r\n")


@pytest.mark.parametrize("options", [["--plain"], ["--no-color"], ["-q"], ["--json"]])
def test_colors_and_rewriting_can_be_switched_off(
    start: Callable[..., subprocess.Popen[bytes]], options: list[str]
) -> None:
    code, got = on_terminal(start, "run", HELLO, *options)
    assert code == 0
    assert "\x1b[3" not in got
    assert ("\x1b[K" in got) == (options == ["--no-color"])


def test_a_listing_of_tools_is_as_wide_as_the_terminal(
    start: Callable[..., subprocess.Popen[bytes]], write: Write
) -> None:
    write("ael-config.yaml", "{}")
    narrow, wide = (on_terminal(start, "tools", "list", columns=columns)[1] for columns in (80, 120))
    for listing, width in ((narrow, 80), (wide, 120)):
        (row,) = (line for line in listing.split("\r\n") if line.startswith("python_exec"))
        assert row.endswith("…")
        assert width - 12 < len(row) <= width


def test_no_color_is_respected(start: Callable[..., subprocess.Popen[bytes]], environment: dict[str, str]) -> None:
    environment["NO_COLOR"] = "1"
    assert "\x1b[3" not in on_terminal(start, "run", HELLO)[1]
    assert "\x1b[3" not in on_terminal(start, "doctor")[1]


def test_a_string_result_cannot_steer_a_terminal(start: Callable[..., subprocess.Popen[bytes]], write: Write) -> None:
    path = write("raw.yaml", "name: raw\nversion: 1\nsteps: [{id: a, code: 'return \"\\x1b]0;title\\x07\"'}]\n")
    _, got = on_terminal(start, "run", path, "-q")
    assert got == "\\x1b]0;title\\x07\r\n"


# -- signals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
def test_a_signal_cancels_the_execution_which_is_on_record(
    ael: Ael, start: Callable[..., subprocess.Popen[bytes]], write: Write, number: signal.Signals, code: int
) -> None:
    process = start("run", write("slow.yaml", SLOW), "-v")
    assert process.stderr is not None
    assert any(b"first" in line for line in iter(process.stderr.readline, b""))
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"EXECUTION_CANCELLED" in stderr
    (recorded,) = json.loads(ael("executions", "list", "--json").stdout)
    assert recorded["status"] == "cancelled"
    shown = json.loads(ael("executions", "show", recorded["execution_id"], "--json").stdout)
    assert [step["status"] for step in shown["steps"]] in (["completed", "cancelled"], ["completed", "pending"])


def test_a_cancelled_execution_is_printed_whole_as_json(
    start: Callable[..., subprocess.Popen[bytes]], write: Write, tmp_path: Path
) -> None:
    ready = "name: ready\nversion: 1\nsteps: [{id: second, wait: {seconds: 600}}]\n"
    process = start("run", write("ready.yaml", ready), "--json", "-vv")
    journal = tmp_path / "home/.local/state/ael/ael.db"
    while not journal.exists() or not _has_started(journal):
        os.sched_yield()
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert json.loads(stdout)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("module", "imported"),
    [("ael", "click"), ("ael", "ael.interfaces.cli.tools"), ("native_tools", "native_tools.server")],
)
def test_ctrl_c_while_modules_are_imported_leaves_no_stack(module: str, imported: str, tmp_path: Path) -> None:
    program = f"""
import runpy, sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {imported!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
sys.argv = [{module!r}, *{["tools", "list"] if module == "ael" else []}]
runpy.run_module({module!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_a_signal_cancels_a_call_from_the_shell_which_is_on_record(
    ael: Ael,
    start: Callable[..., subprocess.Popen[bytes]],
    write: Write,
    tmp_path: Path,
    number: signal.Signals,
    code: int,
) -> None:
    hostile = str(Path(__file__).parents[1] / "tools/servers/hostile.py")
    servers = {"s": {"command": sys.executable, "args": [hostile, "silent_call"]}}
    write("ael-config.yaml", json.dumps({"mcp": {"servers": servers}}))
    process = start("tools", "call", "s__act", "-p", "n=1")
    journal = tmp_path / ".ael/ael.db"
    while not journal.exists() or not _has_started(journal, b"ToolCalled"):
        os.sched_yield()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"EXECUTION_CANCELLED" in stderr
    (recorded,) = json.loads(ael("executions", "list", "--json").stdout)
    assert recorded["status"] == "cancelled"


def _has_started(journal: Path, event: bytes = b"StepWaiting") -> bool:
    """Say whether the journal holds such an event, without opening it as a database."""
    for file in journal.parent.glob("ael.db*"):
        # SQLite's own files come and go.
        with contextlib.suppress(FileNotFoundError):
            if event in file.read_bytes():
                return True
    return False


def test_a_signal_that_was_told_to_be_ignored_stays_ignored(
    start: Callable[..., subprocess.Popen[bytes]], write: Write
) -> None:
    path = write(
        "short.yaml",
        "name: short\nversion: 1\nsteps:\n  - {id: first, code: return 1}\n  - {id: second, wait: {seconds: 1}}\n",
    )

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    process = start("run", path, "-v", preexec_fn=ignore)
    assert process.stderr is not None
    assert any(b"first" in line for line in iter(process.stderr.readline, b""))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_standard_error_that_has_gone_does_not_stop_an_execution(
    start: Callable[..., subprocess.Popen[bytes]], write: Write
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start("run", HELLO, "-v", stderr=writer)
    os.close(writer)
    stdout, _ = process.communicate(timeout=60)
    assert stdout == b"Hello, World!\n"
    assert process.returncode == 0


def test_what_is_wrong_from_the_start_leaves_no_process_behind(ael: Ael) -> None:
    # The output ends when every process that inherited it has gone, so a sandbox that stayed would run into the
    # fixture's time limit.
    assert ael("run", HELLO, "-c", "absent.yaml").returncode == 1
    assert ael("run", HELLO, "-i", "nmae=x").returncode == 1


# -- validate -----------------------------------------------------------------------------------------------


def test_validate_looks_into_directories_but_not_into_hidden_ones(ael: Ael, write: Write, tmp_path: Path) -> None:
    write("flows/a.yaml", "name: a\nversion: 1\nsteps: [{id: a, code: return 1}]\n")
    write("flows/deep/b.yml", "name: b\nversion: 1\nsteps: [{id: a, code: return 1}]\n")
    write("flows/.git/c.yaml", "not: a workflow\n")
    write("flows/ael-config.yaml", "server: {name: x}\n")
    done = ael("validate", str(tmp_path / "flows"))
    assert done.returncode == 0
    assert done.stdout == "✓ Workflow 'a' is valid\n✓ Workflow 'b' is valid\n"


def test_a_file_below_two_of_the_directories_is_one_workflow(ael: Ael, write: Write) -> None:
    write("ael-config.yaml", "workflows: {directories: [./workflows, ./workflows/deep]}\n")
    write("workflows/deep/b.yml", "name: b\nversion: 1\nsteps: [{id: a, wait: {seconds: 0}}]\noutput: once\n")
    assert [one["name"] for one in json.loads(ael("list", "--json").stdout)] == ["b"]
    assert ael("run", "b").stdout == "once\n"


def test_validate_of_nothing_is_no_success(ael: Ael, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = ael("validate", str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "holds no workflow files" in done.stderr


def test_warnings_fail_only_under_strict(ael: Ael, write: Write) -> None:
    path = write(
        "warns.yaml",
        "name: warns\nversion: 1\ninputs: [{n: {type: integer, pattern: x}}]\nsteps: [{id: a, code: return 1}]\n",
    )
    assert ael("validate", path).returncode == 0
    strict = ael("validate", path, "--strict")
    assert strict.returncode == 1
    assert "1 warning" in strict.stdout
    assert "✓" not in strict.stdout


def test_annotations_for_github_are_one_line_each_and_cannot_be_forged(ael: Ael, write: Write) -> None:
    path = write("a,b.yaml", 'name: x\nversion: 1\nsteps: [{id: a, code: return 1}]\n"::warning::\\nforged": 1\n')
    done = ael("validate", path, "--format", "github")
    assert done.returncode == 1
    assert all(line.startswith("::error file=") for line in done.stdout.splitlines())
    assert "a%2Cb.yaml,line=4,col=1::" in done.stdout
