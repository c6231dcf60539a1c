"""The language at run time, each form through the command line's door or the application's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ael.app.application import App, Execution, JSONValue
from ael.app.settings import load_settings
from ael.engine.embedded import EmbeddedHost
from ael.journal.events import StepStarted

Write = Callable[[str, str], str]
Run = Callable[..., Execution]


@pytest.fixture
def run(write: Write, home: Path):
    """Run a workflow's text in this process and return the execution."""

    async def execute(text: str, inputs: dict[str, JSONValue] | None = None, config: str = "", **more) -> Execution:
        path = write("flow.yaml", f"name: flow\nversion: 1\n{text}")
        named = write("config.yaml", config or "execution: {durability: 'off'}\n")
        async with App.open(load_settings(named, {"HOME": str(home)})) as app:
            return await app.run(await app.prepare(path), inputs or {}, **more)

    return execute


async def test_templates_in_code_are_values_whatever_they_hold(run) -> None:
    evil = "x\"; import os #\n\\'{}{{ }}"
    done = await run(
        """
inputs: [{text: {type: string}}, {data: {type: array}}]
steps:
  - id: bind
    code: |
      data = {{ inputs.data }}
      name = "<{{ inputs.text }}>"
      return [data, name, f"{1 + 1}{{ inputs.text }}", json.loads('{{ inputs.data }}')]
""",
        {"text": evil, "data": [1, {"a": None}]},
    )
    assert done.outputs == [[1, {"a": None}], f"<{evil}>", f"2{evil}", [1, {"a": None}]]


async def test_a_value_that_is_one_expression_keeps_its_type_and_text_is_text(run) -> None:
    done = await run(
        """
steps: [{id: a, code: 'return {"n": 150.0, "s": "123", "none": None}'}]
output:
  exact: "{{ steps.a.output.s }}"
  number: "{{ steps.a.output.n }}"
  text: "v={{ steps.a.output.n }} {{ steps.a.output.none }}{{ true }}"
  list: ["{{ steps.a.output }}"]
"""
    )
    assert done.outputs == {
        "exact": "123",
        "number": 150.0,
        "text": "v=150.0 true",
        "list": [{"n": 150.0, "s": "123", "none": None}],
    }


async def test_a_false_condition_skips_the_step_and_its_dependents_still_run(run) -> None:
    done = await run(
        """
steps:
  - {id: a, when: "1 > 2", code: return 1}
  - {id: b, code: "return steps['a'].output is None"}
"""
    )
    assert done.outputs is True
    assert [(step.status, step.reason) for step in done.steps] == [("skipped", "when"), ("completed", None)]


async def test_on_error_continue_leaves_the_error_in_scope(run) -> None:
    done = await run(
        """
steps:
  - {id: a, on_error: continue, code: 'raise ValueError("no")'}
  - {id: b, when: "steps.a.error.code == 'CODE_RUNTIME'", code: "return context.steps['a'].error['detail']"}
"""
    )
    assert done.status == "completed"
    assert done.outputs == "ValueError: no"


async def test_retries_are_recorded_one_by_one_and_end_with_the_policy(run) -> None:
    done = await run(
        """
steps:
  - id: a
    retry: {max_attempts: 3, initial_delay: 0, retry_on: [CODE_RUNTIME], on_exhausted: continue}
    code: 'raise ValueError("no")'
  - {id: b, code: "return 'after'"}
"""
    )
    assert done.outputs == "after"
    assert len(done.steps[0].attempts) == 3
    assert all(attempt.error is not None for attempt in done.steps[0].attempts)


async def test_a_failure_stops_the_execution_and_runs_on_failure_and_finally(run) -> None:
    done = await run(
        """
steps:
  - {id: a, code: return 1}
  - {id: b, code: 1 / 0}
  - {id: c, code: return 3}
on_failure: [{id: tell, code: 'return "{{ error.code }} in {{ error.step_id }}"'}]
finally: [{id: clean, code: return 0}]
"""
    )
    assert done.status == "failed"
    assert done.error is not None
    assert (done.error.code, done.error.step_id) == ("CODE_RUNTIME", "b")
    by_id = {step.step_id: step for step in done.steps}
    assert by_id["c"].status == "pending"
    assert by_id["tell"].output == "CODE_RUNTIME in b"
    assert by_id["clean"].status == "completed"


async def test_an_error_in_code_names_the_line_of_the_file(run) -> None:
    done = await run("steps:\n  - id: a\n    code: |\n      x = 1\n      y = x / 0\n      return y\n")
    assert done.error is not None
    assert done.error.location is not None
    assert done.error.location.line == 7


async def test_foreach_keeps_order_and_collects_errors(run) -> None:
    done = await run(
        """
steps:
  - id: each
    foreach: "[3, 0, 1]"
    as: n
    max_parallel: 3
    on_item_error: continue
    code: return 6 // {{ n }} + index
  - id: pairs
    foreach: {a: 1, b: 2}
    code: return item["key"] * item["value"]
output: ["{{ steps.each.output }}", "{{ steps.pairs.output }}"]
"""
    )
    assert done.outputs == [[2, None, 8], ["a", "bb"]]
    items = done.steps[0].items
    assert items is not None
    assert [item.status for item in items] == ["completed", "skipped", "completed"]


async def test_time_limits_of_step_and_workflow_are_told_apart(run) -> None:
    step = await run("steps: [{id: a, timeout: 0.2, code: 'while True: pass'}]")
    assert step.error is not None
    assert step.error.code == "CODE_TIMEOUT"
    whole = await run("timeout: 0.3\nsteps: [{id: a, code: 'while True: pass'}]\nfinally: [{id: f, code: return 1}]")
    assert whole.status == "timed_out"
    assert whole.error is not None
    assert whole.error.code == "WORKFLOW_TIMEOUT"
    assert [step.status for step in whole.steps] == ["cancelled", "completed"]


async def test_a_wait_does_not_count_towards_the_time_limit(run, clock, monkeypatch) -> None:
    async def sleep(host: EmbeddedHost, until: int) -> None:
        clock.advance(100)
        await asyncio.sleep(0)

    monkeypatch.setattr(EmbeddedHost, "sleep", sleep)
    done = await run("timeout: 60\nsteps: [{id: w, wait: {seconds: 100}}, {id: a, code: return 1}]")
    assert done.outputs == 1


async def test_outputs_take_paths_values_defaults_and_schemas(run) -> None:
    done = await run(
        """
steps: [{id: a, code: 'return {"items": [{"name": "x"}]}'}]
outputs:
  - {name: first, from_path: "steps.a.output.items[0].name"}
  - {name: none, from_path: "steps.a.output.items[3]", default: nothing}
  - text: {value: "{{ steps.a.output.items | length }} items", schema: {type: string}}
"""
    )
    assert done.outputs == {"first": "x", "none": "nothing", "text": "1 items"}
    missing = await run("steps: [{id: a, code: 'return {}'}]\noutputs: {x: {from_path: steps.a.output.deep.er}}")
    assert missing.error is not None
    assert missing.error.code == "OUTPUT_INVALID"
    assert "steps.a.output.deep" in missing.error.detail


async def test_code_calls_only_tools_of_the_workflow(run) -> None:
    done = await run('steps: [{id: a, code: \'return call_tool("other" + "tool", {})\'}]')
    assert done.error is not None
    assert done.error.code == "TOOL_REJECTED"


async def test_python_exec_shows_as_a_tool_and_cannot_be_called_from_code(run) -> None:
    done = await run("steps: [{id: a, tool: python_exec, params: {code: 'return {{ inputs.x }}'}}]\ninputs: [{x: 4}]")
    assert (done.outputs, done.steps[0].kind) == (4, "tool")
    nested = await run('steps: [{id: a, code: \'return call_tool("python_exec", {"code": "1"})\'}]')
    assert nested.error is not None
    assert nested.error.code == "TOOL_REJECTED"


async def test_steps_that_cannot_run_yet_say_so(run) -> None:
    done = await run("steps: [{id: a, approval: {message: Go?}}]")
    assert done.error is not None
    assert "approval" in done.error.detail


async def test_limits_over_an_execution_and_its_children_and_bad_templates_are_errors(run, write: Write) -> None:
    write("workflows/child.yaml", "name: child\nversion: 1\nsteps: [{id: a, code: return 1}]\n")
    write("workflows/large.yaml", "name: large\nversion: 1\nsteps: [{id: a, code: 'return [\"x\" * 400]'}]\n")
    deeper = "name: deeper{}\nversion: 1\ninputs: [{{n: 1}}]\nsteps: [{{id: a, workflow: deeper{}}}]\n"
    write("workflows/0.yaml", deeper.format("", 1))
    for level in range(1, 9):
        write(f"workflows/{level}.yaml", deeper.format(level, level + 1))
    write("workflows/9.yaml", "name: deeper9\nversion: 1\nsteps: [{id: a, code: return 1}]\n")
    many = await run("steps: [{id: a, foreach: '[1,2,3]', code: return 1}]", config="execution: {max_steps: 3}\n")
    assert many.error is not None
    assert many.error.code == "RESOURCE_EXHAUSTED"
    for config, text in (
        ("max_steps: 4", "steps: [{id: a, foreach: '[1,2,3]', workflow: child}]"),
        ("max_output: 1000", "steps: [{id: a, foreach: '[1,2,3]', code: 'return [\"x\" * 400]'}]"),
        ("max_output: 1000", "steps: [{id: a, workflow: large}, {id: b, workflow: large}]"),
        (
            "max_output: 1000",
            "steps: [{id: a, code: 'return \"x\" * 400'}]\noutput: ['{{ steps.a.output }}', '{{ steps.a.output }}']",
        ),
    ):
        over = await run(text, config=f"execution: {{{config}, durability: 'off'}}\n")
        assert over.error is not None
        assert over.error.code == "RESOURCE_EXHAUSTED", text
        assert config.partition(":")[0] in over.error.suggestion
    deep = await run("steps: [{id: a, workflow: deeper, params: {n: 1}}]")
    assert deep.error is not None
    assert "nested deeper than 8 levels" in deep.error.detail
    template = await run("steps: [{id: a, code: 'return {}'}, {id: b, when: steps.a.output.x == 1, code: return 1}]")
    assert template.error is not None
    assert (template.error.code, template.error.step_id) == ("TEMPLATE_ERROR", "b")


async def test_results_that_are_not_json_are_refused_by_name(run) -> None:
    done = await run("steps: [{id: a, code: 'import datetime; return {\"at\": [datetime.date(2020, 1, 1)]}'}]")
    assert done.error is not None
    assert done.error.code == "OUTPUT_INVALID"
    assert "result.at[0] is of type date" in done.error.detail
    assert "isoformat" in done.error.detail


async def test_parallel_steps_give_byte_equal_results_each_time(run) -> None:
    text = """
steps:
  - {id: a, depends_on: [], code: 'import random; return random.random()'}
  - {id: b, depends_on: [], code: 'import uuid; return str(uuid.uuid4())'}
  - {id: c, depends_on: [], foreach: "[1, 2, 3]", max_parallel: 3, code: 'import random; return random.random()'}
  - {id: d, code: "return [steps['a'].output, steps['b'].output, steps['c'].output]"}
"""
    results = {json.dumps((await run(text, seed=11)).outputs) for _ in range(5)}
    assert len(results) == 1


async def test_child_workflows_run_with_their_own_record(run, write: Write) -> None:
    write(
        "workflows/double.yaml",
        "name: double\nversion: 2\ninputs: [{n: 1}]\nsteps: [{id: a, code: 'return inputs[\"n\"] * 2'}]\n",
    )
    done = await run("steps: [{id: a, workflow: double@2, params: {n: '{{ 20 + 1 }}'}}]")
    assert done.outputs == 42
    wrong = await run("steps: [{id: a, workflow: double, params: {n: x}}]")
    assert wrong.error is not None
    assert wrong.error.code == "INPUT_INVALID"


def test_children_that_are_unknown_or_run_their_parents_are_load_errors(ael, write: Write) -> None:
    config = write("config.yaml", "workflows: {directory: ./workflows}\n")
    for name, child in (("ping", "pong"), ("pong", "ping"), ("lost", "nowhere@2")):
        write(f"workflows/{name}.yaml", f"name: {name}\nversion: 1\nsteps:\n  - id: a\n    workflow: {child}\n")
    for command, path in (("run", "ping"), ("validate", str(Path(config).parent / "workflows/ping.yaml"))):
        done = ael(command, path, "-c", config)
        assert done.returncode == 1
        assert "pong.yaml:5:15" in done.stderr + done.stdout
        assert "workflow 'ping' runs itself: ping → pong → ping" in done.stderr + done.stdout
    lost = ael("run", "lost", "-c", config)
    assert "step 'a' runs workflow 'nowhere@2', but no file in" in lost.stderr
    assert "Known workflows: lost, ping, pong." in lost.stderr


BOOKING = """
inputs: [{last: stop}]
steps:
  - id: flight
    code: 'return {"ref": 7}'
    compensate:
      code: |
        assert error["code"] == "CODE_RUNTIME"
        return f"{output['ref']} {{ steps.rooms.status }}"
  - id: rooms
    foreach: "['a', 'b', 'c']"
    as: room
    max_parallel: 2
    code: 'return {{ room }} * 2'
    compensate: {workflow: release, params: {held: "{{ output }}", room: "{{ room }}"}}
  - {id: plain, code: return 1}
  - id: pay
    code: |
      if {{ inputs.last }} == "stop":
          raise ValueError("no money")
    compensate: {code: return 1}
on_failure:
  - id: tell
    code: return [{{ steps.flight.status }}, {{ steps.rooms.status }}, {{ steps.plain.status }}, {{ steps.pay.status }}]
"""
RELEASE = """name: release
version: 1
inputs: [held, room]
steps: [{id: a, code: 'return [{{ inputs.held }}, {{ inputs.room }}]'}]
"""


async def test_what_completed_is_undone_from_the_last_to_the_first(run, write: Write) -> None:
    write("workflows/release.yaml", RELEASE)
    order: list[str] = []

    def note(_: str, event: object) -> None:
        if type(event).__name__ == "StepSucceeded" and event.step_id.endswith("compensate"):  # type: ignore[attr-defined]
            order.append(f"{event.step_id} {event.index}")  # type: ignore[attr-defined]  # a step's event

    done = await run(BOOKING, on_event=note)
    steps = {step.step_id: step for step in done.steps}
    assert done.status == "failed"
    assert order == [
        *(f"rooms.compensate {index}" for index in (2, 1, 0, None)),
        "flight.compensate None",
    ]
    assert steps["flight.compensate"].output == "7 compensated"
    assert [item.output for item in steps["rooms.compensate"].items or ()] == [["aa", "a"], ["bb", "b"], ["cc", "c"]]
    assert steps["tell"].output == ["compensated", "compensated", "completed", "failed"]
    assert (done.steps_completed, done.steps_failed) == (2, 1)
    assert "pay.compensate" not in steps
    passed = await run(BOOKING, {"last": "go"})
    assert passed.status == "completed"
    assert not [step for step in passed.steps if "compensate" in step.step_id]


async def test_what_cannot_be_undone_is_told_and_the_rest_is_undone(run) -> None:
    text = """
steps:
  - {id: first, code: return 1, compensate: {code: return 1}}
  - id: second
    code: return 2
    compensate: {code: 'return 1 / 0', retry: {max_attempts: 2, initial_delay: 0, retry_on: [CODE_RUNTIME]}}
  - {id: third, foreach: '[1, 0]', code: 'return 1 / {{ item }}', compensate: {code: 'return output'}}
"""
    done = await run(text)
    steps = {step.step_id: step for step in done.steps}
    assert steps["first"].status == "compensated"
    assert steps["second"].status == "completed"
    assert len(steps["second.compensate"].attempts) == 2
    # Of a step that failed in the middle, what was done is undone; it stays failed.
    assert steps["third"].status == "failed"
    assert (steps["third.compensate"].items or [])[0].output == 1
    assert done.error is not None
    assert done.error.step_id == "third"
    assert "'second' could not be undone: Runtime error in code block: ZeroDivisionError" in done.error.detail


async def test_a_time_limit_and_a_used_up_budget_still_leave_room_to_undo(run, clock) -> None:
    def watch(_: str, event: object) -> None:
        if isinstance(event, StepStarted) and event.step_id == "b" and event.index is None:
            clock.advance(20)

    first = "steps:\n  - {id: a, code: return 1, compensate: {code: return output}}\n"
    for timeout, config, second, status in (
        (20, "", "  - {id: b, code: 'while True: pass'}\n", "timed_out"),
        (60, "execution: {max_steps: 2}\n", "  - {id: b, foreach: '[1, 2, 3]', code: return 1}\n", "failed"),
    ):
        text = f"timeout: {timeout}\n{first}{second}finally: [{{id: c, code: return 3}}]"
        done = await run(text, config=config, on_event=watch)
        assert done.status == status
        assert {step.step_id: step.status for step in done.steps if step.step_id in "a c"} == {
            "a": "compensated",
            "c": "completed",
        }
