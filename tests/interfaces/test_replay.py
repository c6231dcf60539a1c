"""`ael executions replay`: an execution runs again from its record, and what differs is shown."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ael.app.application import App, Execution
from ael.app.replay import Replay, replay
from ael.app.settings import load_settings
from ael.engine.embedded import EmbeddedHost
from ael.journal.events import Event, StepFailed, StepStarted, StepSucceeded

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples/workflows").glob("*.yaml"))
Write = Callable[[str, str], str]
TIME = "mcp: {servers: {time: {command: mcp-server-time}}}\n"


@pytest.fixture
def repeat(ael, write: Write):
    """Run a workflow as a process, replay it in another, and return execution and report."""

    def run(
        text: str, *options: str, config: str = TIME, definition: str = ""
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        write("ael-config.yaml", config)
        path = write("flow.yaml", f"name: flow\nversion: 1\n{text}")
        ran = json.loads(ael("run", path, "--json", *options).stdout)
        # The file is not read again: the definition that ran is on record.
        write("flow.yaml", "broken: [")
        more = ["--definition", write("other.yaml", f"name: flow\nversion: 1\n{definition}")] if definition else []
        done = ael("executions", "replay", ran["execution_id"][:14], "--json", *more)
        report = json.loads(done.stdout)
        assert done.returncode == int(not report.get("identical", False)), done.stderr
        return ran, report

    return run


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {step["step_id"]: step["outcome"] for step in report["steps"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_repeats_byte_for_byte_and_replays(example: Path, ael) -> None:
    options: tuple[str, ...] = ("-c", str(ROOT / "examples/ael-config.yaml"), "--json")
    places = {"AEL_DB": "ael.db"}
    if example.stem == "repository-report":
        options = (*options, "-i", f"path={ROOT}")
    first, second = (json.loads(ael("run", str(example), "--seed", "7", *options, **places).stdout) for _ in range(2))
    assert first["status"] == "completed"
    assert json.dumps(first["outputs"]) == json.dumps(second["outputs"])
    assert [json.dumps(step["output"]) for step in first["steps"]] == [
        json.dumps(step["output"]) for step in second["steps"]
    ]
    report = json.loads(ael("executions", "replay", first["execution_id"], *options[:3], **places).stdout)
    assert report["identical"], report


EVERYTHING = """
steps:
  - {id: items, code: 'return [1, 2, 3, 4]'}
  - id: each
    foreach: steps.items.output
    max_parallel: 3
    on_item_error: continue
    retry: {max_attempts: 2, initial_delay: 0.01, retry_on: [CODE_RUNTIME]}
    code: |
      import random, time, uuid
      if item == 3: raise ValueError(random.random())
      print(item)
      return [item, random.random(), time.time(), str(uuid.uuid4())]
  - {id: slow, depends_on: [], wait: {seconds: 0.2}}
  - id: both
    depends_on: [items]
    code: |
      import asyncio
      return await asyncio.gather(*(
          tools.call("get_current_time", {"timezone": zone}) for zone in ("UTC", "Asia/Tokyo", "Africa/Nairobi")
      ))
  - {id: skipped, when: "{{ steps.items.output | length > 9 }}", code: return 1}
  - {id: passed_over, on_error: continue, tool: get_current_time, params: {timezone: Nowhere}}
  - {id: refused, on_error: continue, tool: get_current_time, params: {timezone: 7}}
  - id: caught
    code: |
      try:
          call_tool("get_current_time", {"timezone": "Nowhere"})
      except ToolError as error:
          return str(error)
  - id: last
    code: return [steps["slow"]["duration_ms"], context.execution_id, steps["passed_over"]["error"]["detail"]]
finally:
  - {id: end, code: return 1}
"""


def test_an_execution_with_everything_in_it_replays_identically(repeat) -> None:
    ran, report = repeat(EVERYTHING)
    assert ran["status"] == "completed", ran["error"]
    assert report["identical"], report
    assert set(outcomes(report).values()) == {"identical"}
    assert list(outcomes(report)) == [step["step_id"] for step in ran["steps"]]


def test_a_failure_beside_others_replays_to_the_same_end(repeat) -> None:
    ran, report = repeat(
        """
steps:
  - {id: quick, depends_on: [], code: return 1}
  - {id: slow, depends_on: [], wait: {seconds: 60}}
  - id: bad
    depends_on: [quick]
    code: |
      call_tool("get_current_time", {"timezone": "UTC"})
      raise ValueError("here")
  - {id: after, code: return 2}
on_failure: [{id: tell, code: 'return "{{ error.code }}"'}]
finally: [{id: end, code: 'return steps["quick"]["output"]'}]
"""
    )
    assert ran["status"] == "failed"
    assert report["identical"], report
    found = outcomes(report)
    assert (found["slow"], found["after"]) == ("not compared", "not compared")
    assert {found[step] for step in ("quick", "bad", "tell", "end")} == {"identical"}


@pytest.fixture
def repeat_here(write: Write, home: Path):
    """Run a workflow in this process, with what watches it, and replay it; return execution and report."""

    async def run(text: str, watch: Callable[[str, Event], None], config: str = TIME) -> tuple[Execution, Replay]:
        path = write("flow.yaml", f"name: flow\nversion: 1\n{text}")
        named = write(
            "ael-config.yaml", config.replace("mcp-server", str(Path(sys.executable).with_name("mcp-server")))
        )
        async with App.open(load_settings(named, {"HOME": str(home)})) as app:
            ran = await app.run(await app.prepare(path), {}, on_event=watch)
            return ran, await replay(app, ran.execution_id)

    return run


async def test_items_that_a_failure_kept_from_starting_do_not_run_in_the_replay(
    repeat_here, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    def watch(_: str, event: Event) -> None:
        if isinstance(event, StepFailed) and event.step_id == "each" and event.index == 2:
            failed.set()

    async def sleep(host: EmbeddedHost, until: int) -> None:
        await failed.wait()

    monkeypatch.setattr(EmbeddedHost, "sleep", sleep)
    write(
        "workflows/child.yaml",
        """name: child
version: 1
inputs: [{n: {type: integer}}]
steps:
  - {id: pause, when: "inputs.n == 0", wait: {seconds: 600}}
  - id: out
    code: |
      if inputs["n"] == 2: raise ValueError(inputs["n"])
      return inputs["n"]
""",
    )
    ran, report = await repeat_here(
        """
steps:
  - {id: each, foreach: "[0, 1, 2, 3, 4, 5]", max_parallel: 2, workflow: child, params: {n: "{{ item }}"}}
""",
        watch,
    )
    assert ran.status == "failed"
    assert [item.status for item in ran.steps[0].items or ()] == [
        *("completed", "completed", "failed"),
        *["pending"] * 3,
    ]
    assert report.identical, report


async def test_a_time_limit_replays_as_far_as_it_came(repeat_here, clock) -> None:
    def watch(_: str, event: Event) -> None:
        if isinstance(event, StepStarted) and event.step_id == "endless":
            clock.advance(20)

    ran, report = await repeat_here(
        """
timeout: 20
steps:
  - {id: first, code: return 1}
  - {id: endless, code: 'while True: pass'}
on_failure: [{id: tell, code: 'return "{{ error.code }}"'}]
finally: [{id: end, code: return 7}]
""",
        watch,
    )
    assert ran.status == "timed_out"
    assert report.identical, report
    assert {step.step_id: step.outcome for step in report.steps} == {
        "first": "identical",
        "endless": "not compared",
        "tell": "identical",
        "end": "identical",
    }


async def test_children_replay_with_their_own_records(repeat_here, write: Write, clock) -> None:
    started, done = 0, set()

    def watch(_: str, event: Event) -> None:
        nonlocal started
        started += isinstance(event, StepStarted) and event.step_id == "out"
        if isinstance(event, StepSucceeded) and event.step_id == "each":
            done.add(event.index)
        if started == 3 and done == {0, 2}:
            done.clear()
            clock.advance(20)

    write(
        "workflows/child.yaml",
        """name: child
version: 1
inputs: [{n: {type: integer}}]
steps:
  - {id: now, tool: get_current_time, params: {timezone: UTC}}
  - id: out
    code: |
      import time
      if inputs["n"] == 2: time.sleep(60)
      return [inputs["n"], time.time(), {{ steps.now.output }}]
""",
    )
    ran, report = await repeat_here(
        """
steps:
  - {id: started, tool: get_current_time, params: {timezone: UTC}}
  - {id: each, foreach: "[1, 2, 3]", max_parallel: 3, on_item_error: continue, workflow: child, timeout: 20, params: {n: "{{ item }}"}}
  - {id: wrong, workflow: child, params: {n: text}, on_error: continue}
""",
        watch,
    )
    assert ran.status == "completed"
    assert [item.status for item in ran.steps[1].items or ()] == ["completed", "skipped", "completed"]
    assert report.identical, report
    found = {step.step_id: step.outcome for step in report.steps}
    assert {name for name in found if "/" in name} == {
        f"each[{index}]/{step}" for index in range(3) for step in ("now", "out")
    }
    assert found["each[1]/out"] == "not compared"
    assert found["wrong"] == "identical"


def test_a_changed_definition_shows_what_would_have_changed(repeat) -> None:
    text = """
steps:
  - {id: now, tool: get_current_time, params: {timezone: UTC}}
  - {id: same, code: 'return {{ steps.now.output.timezone }}'}
  - {id: other, code: return 1}
  - {id: old, code: return 0}
output: "{{ steps.other.output }}"
"""
    changed = text.replace("return 1", "return 2").replace("id: old", "id: new")
    changed += "description: changed\n"
    _, report = repeat(text, definition=changed)
    assert outcomes(report) == {
        "now": "identical",
        "same": "identical",
        "other": "different",
        "old": "gone",
        "new": "new",
    }
    assert {'-  "output": 1,', '+  "output": 2,'} <= set(report["steps"][2]["difference"])
    assert '-  "outputs": 1,' in report["difference"]


def test_a_call_that_the_record_does_not_answer_is_named_and_never_made(repeat) -> None:
    text = "steps: [{id: now, on_error: continue, tool: get_current_time, params: {timezone: UTC}}]\n"
    _, report = repeat(text, definition=text.replace("UTC", "Asia/Tokyo"))
    (step,) = report["steps"]
    assert step["outcome"] == "different"
    assert step["note"] == 'the record has no answer of \'get_current_time\' to {"timezone": "Asia/Tokyo"}'


def test_answers_move_with_a_step_that_got_another_name(repeat) -> None:
    text = "steps: [{id: now, tool: get_current_time, params: {timezone: UTC}}]\noutput: '{{ steps.now.output }}'\n"
    _, report = repeat(text, definition=text.replace("id: now", "id: renamed").replace("steps.now", "steps.renamed"))
    assert outcomes(report) == {"now": "gone", "renamed": "new"}
    assert report["difference"] == []


CLOCK = """
steps:
  - id: few
    code: |
      import datetime, time
      return [time.time(), datetime.datetime.now().isoformat(), str(datetime.date.today()), time.strftime("%S")]
  - id: failing
    on_error: continue
    code: |
      import time
      raise ValueError(time.time())
  - id: many
    code: |
      import time
      for _ in range(1001): now = time.time()
      return now
"""


def test_readings_of_the_real_clock_are_given_again_up_to_a_thousand(repeat) -> None:
    ran, report = repeat(CLOCK, config="python_exec: {clock: real}\n")
    first, second = ran["steps"][0]["output"][0], float(ran["steps"][1]["error"]["detail"].split(": ")[1])
    assert first < second
    assert outcomes(report) == {"few": "identical", "failing": "identical", "many": "not compared"}
    assert "not replayable: clock" in report["steps"][2]["note"]


def test_values_of_the_environment_are_those_of_then(ael, write: Write) -> None:
    config = write("c.yaml", "security: {template_env: [PLACE]}\n")
    path = write("flow.yaml", "name: f\nversion: 1\nsteps: [{id: a, code: 'return {{ env.PLACE }}'}]\n")
    ran = json.loads(ael("run", "-c", config, "--json", path, PLACE="here").stdout)
    assert ran["outputs"] == "here"
    assert ael("executions", "replay", "-c", config, ran["execution_id"], PLACE="there").returncode == 0


def test_secrets_are_masked_in_what_differs(ael, write: Write) -> None:
    text = "name: f\nversion: 1\ninputs: [{key: {type: string, secret: true}}]\nsteps: [{id: a, code: 'return [\"{{ inputs.key }}\", 1]'}]\n"
    path, other = write("flow.yaml", text), write("other.yaml", text.replace("1]", "2]"))
    ran = json.loads(ael("run", path, "--json", "-i", "key=very-secret-key").stdout)
    done = ael("executions", "replay", ran["execution_id"], "--definition", other)
    assert done.returncode == 1
    assert "***" in done.stdout
    assert "very-secret-key" not in done.stdout + done.stderr


def test_what_is_shown_reads_well(ael, write: Write) -> None:
    text = "name: f\nversion: 1\nsteps: [{id: a, code: return 1}, {id: b, code: return 2}]\n"
    path, other = write("flow.yaml", text), write("other.yaml", text.replace("return 2", "return 3"))
    execution = json.loads(ael("run", path, "--json").stdout)["execution_id"]
    done = ael("executions", "replay", execution)
    assert done.stdout.splitlines() == [f"= {name:<24} identical" for name in ("a", "b")]
    assert done.stderr == f"execution {execution} of f: identical\n"
    done = ael("executions", "replay", execution, "--definition", other)
    assert "≠ b                        different" in done.stdout
    assert done.stderr.endswith("1 of 2 steps differ and the result\n")
    missing = ael("executions", "replay", "exec-none")
    assert (missing.returncode, "EXECUTION_NOT_FOUND" in missing.stderr) == (1, True)


def test_an_execution_that_was_killed_replays_as_far_as_its_record_goes(
    ael, write: Write, environment: dict[str, str], tmp_path: Path
) -> None:
    path = write(
        "flow.yaml",
        "name: f\nversion: 1\nsteps: [{id: a, code: return 1}, {id: b, code: return 2}, {id: c, wait: {seconds: 600}}]\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "ael", "run", "-v", "--plain", path],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    # A line about a step may come before its record is durable; one about the next step does not.
    while b" b " not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    (found,) = json.loads(ael("executions", "list", "--json").stdout)
    report = json.loads(ael("executions", "replay", found["execution_id"], "--json").stdout)
    assert outcomes(report) == {"a": "identical", "b": "not compared", "c": "not compared"} | (
        {"b": "identical"} if report["steps"][1]["outcome"] == "identical" else {}
    )
    assert report["note"] == "the record has no end: it is compared as far as it goes"


async def test_a_cancelled_execution_replays(write: Write, home: Path, clock) -> None:
    path = write(
        "flow.yaml",
        "name: f\nversion: 1\nsteps: [{id: a, code: return 1}, {id: b, wait: {seconds: 600}}]\nfinally: [{id: z, code: return 3}]\n",
    )
    async with App.open(load_settings(write("c.yaml", "execution: {}\n"), {"HOME": str(home)})) as app:
        waiting = asyncio.Event()
        seen: list[str] = []

        def watch(execution_id: str, event: object) -> None:
            seen.append(execution_id)
            if type(event).__name__ == "StepWaiting":
                waiting.set()

        task: asyncio.Task[Execution] = asyncio.create_task(app.run(await app.prepare(path), {}, on_event=watch))
        await waiting.wait()
        # What stands under `finally` gets less than a second, in which it is done however slow the machine is.
        clock.hold()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.go_on()
        report: Replay = await replay(app, seen[0])
    assert report.identical
    assert [(step.step_id, step.outcome) for step in report.steps] == [
        ("a", "identical"),
        ("b", "not compared"),
        ("z", "identical"),
    ]


def test_replay_records_nothing_and_starts_no_server(repeat, ael) -> None:
    ran, report = repeat("steps: [{id: now, tool: get_current_time, params: {timezone: UTC}}]\n")
    assert report["identical"]
    again = ael("executions", "replay", ran["execution_id"], PATH=os.devnull)
    assert again.returncode == 0, again.stderr
    assert len(json.loads(ael("executions", "list", "--json").stdout)) == 1
