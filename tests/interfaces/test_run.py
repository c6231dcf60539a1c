"""`ael run`, driven as a process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
WORKFLOWS = EXAMPLES / "workflows"
HELLO = str(WORKFLOWS / "hello-world.yaml")
Write = Callable[[str, str], str]


def test_hello_world_greets_the_world_and_a_person(ael) -> None:
    assert ael("run", HELLO).stdout == "Hello, World!\n"
    assert ael("run", HELLO, "-i", "name=Alice").stdout == "Hello, Alice!\n"


def test_a_remembered_plan_gives_the_same_result_as_a_fresh_one(ael, home: Path) -> None:
    first = ael("run", HELLO, "--seed", "5", "--json")
    assert list((home / ".local/state/ael/plans").iterdir())
    second = ael("run", HELLO, "--seed", "5", "--json")
    assert json.loads(first.stdout)["outputs"] == json.loads(second.stdout)["outputs"] == "Hello, World!"


def test_number_statistics_finds_what_stands_out(ael) -> None:
    done = ael("run", str(WORKFLOWS / "number-statistics.yaml"), "-i", "numbers=[1, 1, 1, 1, 1, 1, 50]")
    result = json.loads(done.stdout)
    assert result["outliers"] == [50]
    assert result["statistics"]["median"] == 1
    assert result["headline"] == "7 numbers around 8"


def test_data_processing_ranks_customers_and_sets_aside_what_it_cannot_read(ael) -> None:
    result = json.loads(ael("run", str(WORKFLOWS / "data-processing.yaml")).stdout)
    assert result["ranking"][0] == {"rank": 1, "customer": "Ada", "total": "140.00"}
    assert result["other_currencies"] == ["Grace"]
    assert [entry["position"] for entry in result["rejected"]] == [3]


def test_repository_report_computes_on_what_a_real_git_server_says(ael, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for command in (
        ["init", "-q", str(repository)],
        *(
            [
                "-C",
                str(repository),
                "-c",
                "user.name=A",
                "-c",
                "user.email=a@b.c",
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                text,
            ]
            for text in ("first words", "second words")
        ),
    ):
        subprocess.run(["git", *command], check=True)
    config = str(EXAMPLES / "ael-config.yaml")
    workflow = str(WORKFLOWS / "repository-report.yaml")
    done = ael("run", "-c", config, workflow, "-i", f"path={repository}", AEL_DB=str(tmp_path / "j.db"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "commits": 2,
        "authors": 1,
        "frequent_words": ["words", "first", "second"],
        "clean": True,
    }


def test_meeting_times_asks_a_real_time_server_for_each_place_and_keeps_their_order(ael, tmp_path: Path) -> None:
    done = ael(
        "run",
        "--config",
        str(EXAMPLES / "ael-config.yaml"),
        str(WORKFLOWS / "meeting-times.yaml"),
        "-i",
        "home=UTC",
        "-i",
        'places=["Asia/Tokyo", "Africa/Nairobi"]',
        AEL_DB=str(tmp_path / "j.db"),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert rows == [
        {"place": "Asia/Tokyo", "local": "00:00", "awake": False},
        {"place": "Africa/Nairobi", "local": "18:00", "awake": True},
    ]


def test_json_prints_the_whole_execution_and_show_finds_it_by_a_part_of_its_id(ael) -> None:
    execution = json.loads(ael("run", HELLO, "--json").stdout)
    assert execution["status"] == "completed"
    assert execution["execution_id"].startswith("exec-")
    assert [step["status"] for step in execution["steps"]] == ["completed"]
    assert "seccomp" in execution["sandbox"] or execution["sandbox"] == []
    shown = ael("executions", "show", execution["execution_id"][:12], "--json")
    assert json.loads(shown.stdout)["outputs"] == "Hello, World!"
    listed = json.loads(ael("executions", "list", "--json").stdout)
    assert [one["execution_id"] for one in listed] == [execution["execution_id"]]


def test_a_listing_of_a_workflow_that_never_ran_says_so_with_the_nearest_that_did(ael) -> None:
    ael("run", HELLO)
    never = ael("executions", "list", "--workflow", "helo-world")
    assert (never.returncode, never.stdout) == (0, "")
    assert (
        never.stderr
        == "0 executions: no workflow named 'helo-world' has been executed\n  → Did you mean 'hello-world'?\n"
    )
    # One that did, only not as it is asked for.
    failed = ael("executions", "list", "--workflow", "hello-world", "--status", "failed")
    assert (failed.returncode, failed.stderr) == (0, "0 executions\n")
    as_json = ael("executions", "list", "--workflow", "helo-world", "--json")
    assert (as_json.returncode, as_json.stdout, as_json.stderr) == (0, "[]\n", "")


def test_plans_are_remembered_and_the_oldest_forgotten_past_four_thousand(ael, home: Path) -> None:
    plans = home / ".local/state/ael/plans"
    ael("run", HELLO)
    (known,) = plans.iterdir()
    for number in range(4100):
        old = plans / f"old-{number:04}"
        old.touch()
        os.utime(old, (number, number))
    assert ael("run", HELLO).returncode == 0
    assert len(list(plans.iterdir())) == 4101
    assert ael("run", str(WORKFLOWS / "number-statistics.yaml"), "-i", "numbers=[1]").returncode == 0
    left = {one.name for one in plans.iterdir()}
    assert len(left) <= 4096
    assert {known.name, "old-4099"} <= left
    assert "old-0000" not in left


def test_trace_shows_inputs_and_outputs_of_each_step(ael) -> None:
    done = ael("run", HELLO, "--trace")
    assert done.stdout == "Hello, World!\n"
    assert "greet" in done.stderr
    assert "output: Hello, World!" in done.stderr


def test_dry_run_calls_nothing_and_shows_rendered_parameters(ael, write: Write) -> None:
    path = write(
        "flow.yaml",
        """
name: flow
version: 1
inputs: [{place: here}]
steps:
  - {id: look, tool: nobody_has_this, params: {at: "{{ inputs.place }}!"}}
""",
    )
    done = ael("run", path, "--dry-run", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["steps"][0]["inputs"] == {"at": "here!"}
    assert json.loads(ael("executions", "list", "--json").stdout) == []


def test_inputs_are_read_by_their_declared_type(ael, write: Write) -> None:
    path = write(
        "types.yaml",
        """
name: types
version: 1
inputs:
  - text: {type: string}
  - count: {type: integer, maximum: 10}
  - tags: {type: array, items: {type: string}}
  - flag: {type: boolean}
output: ["{{ inputs.text }}", "{{ inputs.count }}", "{{ inputs.tags }}", "{{ inputs.flag }}"]
steps: [{id: nothing, code: return 1}]
""",
    )
    given = ["-i", "text=5", "-i", "count=5", "-i", 'tags=["a"]', "-i", "flag=true"]
    assert json.loads(ael("run", path, *given).stdout) == ["5", 5, ["a"], True]
    file = write("text.txt", "from a file")
    done = ael("run", path, *given, "-i", f"text=@{file}")
    assert json.loads(done.stdout)[0] == "from a file"
    assert json.loads(ael("run", path, *given, "-i", "text=@@at").stdout)[0] == "@at"
    inputs = write("inputs.yaml", "text: t\ncount: 3\ntags: []\nflag: false\n")
    assert json.loads(ael("run", path, "--input-file", inputs).stdout) == ["t", 3, [], False]


@pytest.mark.parametrize(
    "text", ['{"text": "\\ud83d\\ude00"}', "{text: \U0001f600}", "text: \U0001f600\n", 'text: "\\U0001F600"\n']
)
def test_an_input_file_is_json_or_yaml(ael, write: Write, text: str) -> None:
    path = write(
        "echo.yaml", "name: echo\nversion: 1\ninputs: [text]\nsteps: [{id: a, code: 'return inputs[\"text\"]'}]\n"
    )
    assert ael("run", path, "--input-file", write("inputs", text)).stdout == "\U0001f600\n"
    assert ael("run", path, "--input-file", "-", stdin=text).stdout == "\U0001f600\n"


@pytest.mark.parametrize("text", ['{"text": "a", "text": "b"}', '{"text": "\\ud83d"}', "[1]", "{"])
def test_an_input_file_that_is_neither_is_told_with_its_place(ael, write: Write, text: str) -> None:
    path = write(
        "echo.yaml", "name: echo\nversion: 1\ninputs: [text]\nsteps: [{id: a, code: 'return inputs[\"text\"]'}]\n"
    )
    done = ael("run", path, "--input-file", write("inputs", text))
    assert done.returncode == 1
    assert "INPUT_INVALID" in done.stderr
    assert "inputs" in done.stderr


def test_a_broken_json_file_is_not_taken_for_yaml(ael, write: Write) -> None:
    path = write("echo.yaml", "name: echo\nversion: 1\ninputs: [text]\nsteps: [{id: a, code: return 1}]\n")
    done = ael("run", path, "--input-file", write("inputs.json", '{\n  "text": }\n'))
    assert done.returncode == 1
    assert "inputs.json:2:11: error: not JSON" in " ".join(done.stderr.split())


def test_every_violation_of_inputs_is_reported_at_once(ael, write: Write) -> None:
    path = write(
        "strict.yaml",
        """
name: strict
version: 1
inputs:
  - count: {type: integer, maximum: 10}
  - url: {type: string, pattern: "^https://"}
  - missing: {type: string}
steps: [{id: nothing, code: return 1}]
""",
    )
    done = ael("run", path, "-i", "count=11", "-i", "url=ftp://x", "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "INPUT_INVALID"
    assert error["detail"].count("error:") == 3
    unknown = ael("run", path, "-i", "cuont=1")
    assert "Did you mean 'count'?" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run"], 2, "Missing argument"),
        (["rnu"], 2, "Did you mean 'run'?"),
        (["run", HELLO, "--sed", "1"], 2, "--seed"),
        (["run", HELLO, "-i", "name"], 2, "'name' has no '='"),
        (["run", "nowhere.yaml"], 1, "there is no file 'nowhere.yaml'"),
        (["run", "nowhere"], 1, "WORKFLOW_NOT_FOUND"),
        (["run", str(WORKFLOWS)], 1, "is a directory"),
        (["run", HELLO, "-i", "nmae=x"], 1, "Did you mean 'name'?"),
        (["executions", "show", "exec-000"], 1, "EXECUTION_NOT_FOUND"),
        (["run", HELLO, "-c", "absent.yaml"], 1, "does not exist"),
    ],
)
def test_wrong_use_is_told_from_what_is_wrong(ael, arguments: list[str], code: int, message: str) -> None:
    done = ael(*arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_every_line_of_an_error_fits_a_terminal_of_80_columns(ael, write: Write) -> None:
    path = write(
        "wide.yaml", "name: wide\nversion: 1\nsteps:\n  - {id: a, code: 'raise ValueError(\"" + "word " * 60 + "\")'}\n"
    )
    done = ael("run", path)
    assert done.returncode == 1
    # A path and the line that it names are as long as they are; what AEL says is not.
    said = [line for line in done.stderr.splitlines() if path not in line]
    assert max(map(len, said)) <= 80


def test_ctrl_c_kills_the_code_records_the_cancellation_and_exits_130(
    environment, tmp_path: Path, write: Write
) -> None:
    path = write(
        "endless.yaml", "name: endless\nversion: 1\nsteps:\n  - id: spin\n    code: |\n      while True: pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "ael", "run", path, "-v"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # A second terminal sees the execution running: its start is on disk with the first wait or end. Ours has none,
    # so the child itself is the sign: the zygote's process group exists once the sandbox is up.
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text().strip():
        os.sched_yield()
    zygote = int(children.read_text().split()[0])
    while not _descendants_spin(zygote):
        os.sched_yield()
    end_of_zygote = os.pidfd_open(zygote)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "EXECUTION_CANCELLED" in stderr
    assert select.select([end_of_zygote], [], [], 60)[0]
    os.close(end_of_zygote)
    shown = subprocess.run(
        [sys.executable, "-m", "ael", "executions", "list", "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(shown.stdout)[0]["status"] == "cancelled"


def _descendants_spin(pid: int) -> bool:
    """Say whether a process below `pid` has used half a second of processor time."""
    return any(_descendants_spin(child) or _ticks(child) >= os.sysconf("SC_CLK_TCK") // 2 for child in _children(pid))


def _ticks(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _children(pid: int) -> list[int]:
    try:
        return [int(part) for part in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def test_a_secret_input_is_in_no_output_and_not_on_disk(ael, home: Path, write: Write) -> None:
    path = write(
        "secret.yaml",
        """
name: secret
version: 1
inputs: [{token: {type: string, secret: true}}]
steps:
  - id: use
    code: |
      print("got", inputs["token"])
      raise ValueError("bad " + inputs["token"])
""",
    )
    done = ael("run", path, "-i", "token=hunter2-hunter2", "--json", "--trace")
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr
    assert "***" in done.stdout
    execution = json.loads(done.stdout)["execution_id"]
    shown = ael("executions", "show", execution, "--trace").stdout
    assert "hunter2" not in shown
    assert "bad ***" in shown
    stored = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert b"hunter2" not in stored


@pytest.mark.parametrize(
    "code",
    [
        # An error's text, a tool's name, a key of the result, and what was printed are cut within the secret.
        "raise ValueError('x' * 3991 + inputs['token'])",
        "return call_tool('x' * 291 + inputs['token'])",
        "return {'x' * 70 + inputs['token']: {1}}",
        "print('x' * (2**20 - 9) + inputs['token'])",
    ],
)
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(ael, write: Write, code: str) -> None:
    text = f'name: cut\nversion: 1\ninputs: [{{token: {{type: string, secret: true}}}}]\nsteps: [{{id: a, code: "{code}"}}]'
    done = ael("run", write("cut.yaml", text), "-i", "token=hunter2-hunter2-hunter2", "--json", "--trace")
    assert "***…" in done.stdout
    assert "hunt" not in done.stdout + done.stderr


def test_a_secret_is_masked_as_a_tools_name_and_sealed_as_a_default(ael, home: Path, write: Write) -> None:
    path = write(
        "secret.yaml",
        """
name: secret
version: 1
inputs: [{token: {type: string, secret: true, default: hunter2-hunter2}}]
steps: [{id: use, code: "return call_tool(inputs['token'])"}]
""",
    )
    done = ael("run", path, "--json")
    assert done.returncode == 1
    execution = json.loads(done.stdout)["execution_id"]
    assert "hunter2" not in done.stdout + done.stderr + ael("executions", "show", execution, "--json").stdout
    stored = b"".join(file.read_bytes() for file in (home / ".local/state/ael").glob("ael.db*"))
    assert b"hunter2" not in stored


def test_the_same_seed_repeats_randomness_uuids_and_set_order(ael, write: Write) -> None:
    path = write(
        "chance.yaml",
        """
name: chance
version: 1
steps:
  - id: draw
    code: |
      import random, uuid
      return [random.random(), random.Random().random(), str(uuid.uuid4()), list({"a", "b", "c", "d"})]
""",
    )
    first, second = (ael("run", path, "--seed", "7").stdout for _ in range(2))
    assert first == second
    assert ael("run", path, "--seed", "8").stdout != first


def test_a_broken_pipe_is_silent(environment, tmp_path: Path) -> None:
    script = f"{sys.executable} -m ael schema workflow | head -c 10"
    done = subprocess.run(
        script, shell=True, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
