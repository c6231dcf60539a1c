"""Every code of the registry, raised through the highest door that reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
from pathlib import Path

import pytest

from ael.app.application import App
from ael.app.settings import load_settings
from ael.errors import REGISTRY, ExecutionConflict, QueueFull
from ael.journal.events import Event, StepWaiting

HOSTILE = Path(__file__).parents[1] / "tools/servers/hostile.py"


def steps(text: str, head: str = "") -> str:
    return f"name: w\nversion: 1\n{head}steps:\n{text}"


def code(source: str, head: str = "") -> str:
    lines = "".join(f"      {line}\n" for line in source.splitlines())
    return steps(f"  - id: a\n    code: |\n{lines}", head)


def server(way: str) -> str:
    seconds = 0.5 if way == "silent_call" else 60
    limits = f"startup_timeout: 60, timeout: {seconds}"
    return f"mcp: {{servers: {{h: {{command: '{sys.executable}', args: ['{HOSTILE}', {way}], {limits}}}}}}}\n"


ACT = steps("  - {id: a, tool: act}\n")

#: Code → workflow, configuration, arguments, environment.
CASES: dict[str, tuple[str, str, list[str], dict[str, str]]] = {
    "TOOL_UNAVAILABLE": (steps("  - {id: a, tool: h__actt}\n"), server("good"), [], {}),
    "TOOL_TIMEOUT": (ACT, server("silent_call"), [], {}),
    "TOOL_REJECTED": (code("return call_tool('python_exec', {'code': '1'})"), "", [], {}),
    "TOOL_FAILED": (ACT, server("error"), [], {}),
    "PARAM_INVALID": (steps("  - {id: a, tool: act, params: {n: many}}\n"), server("good"), [], {}),
    "MCP_CONNECTION_FAILED": (ACT, server("exit"), [], {}),
    "CODE_SYNTAX": (code("return 1 +"), "", [], {}),
    "CODE_RUNTIME": (code("return 1 / 0"), "", [], {}),
    "CODE_TIMEOUT": (code("while True: pass", "defaults: {sandbox: {timeout: 0.2}}\n"), "", [], {}),
    "CODE_SECURITY": (code("import os\nreturn 1"), "", [], {}),
    "CODE_MEMORY": (code("return len('x' * (1 << 40))"), "", [], {}),
    "CODE_CRASHED": (
        code(
            "import itertools\nnested = iter([1])\n"
            "for _ in range(1_000_000): nested = itertools.chain(nested)\nreturn next(nested)"
        ),
        "",
        [],
        {},
    ),
    "RESOURCE_EXHAUSTED": (ACT + "  - {id: b, tool: act}\n", "execution: {max_steps: 1}\n" + server("good"), [], {}),
    "TEMPLATE_ERROR": (
        steps("  - {id: a, code: return 1}\n  - {id: b, code: 'return {{ steps.a.output.b }}'}\n"),
        "",
        [],
        {},
    ),
    "INPUT_INVALID": (code("return 1", "inputs: [n]\n"), "", [], {}),
    "OUTPUT_INVALID": (code("return {1: 2}"), "", [], {}),
    "CONFIG_INVALID": (code("return 1"), "execution: {max_concurent: 1}\n", [], {}),
    "WORKFLOW_INVALID": (code("return 1", "descripton: x\n"), "", [], {}),
    "STEP_NOT_FOUND": (steps("  - {id: a, code: return 1, depends_on: [b]}\n"), "", [], {}),
    "CIRCULAR_DEPENDENCY": (
        steps("  - {id: a, code: return 1, depends_on: [b]}\n  - {id: b, code: return 1, depends_on: [a]}\n"),
        "",
        [],
        {},
    ),
    "STEP_TIMEOUT": (
        steps("  - {id: a, workflow: slow, timeout: 0.3}\n"),
        "workflows: {directory: ./registered}\n",
        [],
        {},
    ),
    "WORKFLOW_TIMEOUT": (code("while True: pass"), "", ["-t", "0.3"], {}),
    "JOURNAL_UNAVAILABLE": (code("return 1"), "", [], {"AEL_DB": "no.db"}),
}


@pytest.mark.parametrize("expected", CASES)
def test_a_code_is_raised_through_the_command_line(expected: str, ael, write, tmp_path: Path) -> None:
    workflow, config, arguments, environment = CASES[expected]
    write("no.db", "this is no database, and it is longer than a hundred bytes so that nobody takes it for one" * 9)
    write("registered/slow.yaml", code("while True: pass").replace("name: w", "name: slow"))
    path = write("w.yaml", workflow)
    named = ["-c", write("config.yaml", config)] if config else []
    done = ael("run", path, *named, *arguments, "--json", **environment)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    error = found["error"]
    assert error["code"] == expected, error
    assert error["category"] == REGISTRY[expected].category
    assert error["message"]
    assert {"detail", "suggestion"} <= set(error)
    # An unknown tool stays unknown.
    assert error["retryable"] is (REGISTRY[expected].retryable_by_default and expected != "TOOL_UNAVAILABLE")
    # And for a person: the code and the message on standard error, no stack.
    shown = ael("run", path, *named, *arguments, **environment)
    assert expected in shown.stderr
    assert "Traceback" not in shown.stderr


def test_what_is_not_on_record_is_not_found(ael) -> None:
    assert "EXECUTION_NOT_FOUND" in ael("executions", "show", "exec-0").stderr
    assert "WORKFLOW_NOT_FOUND" in ael("run", "nobody").stderr
    error = json.loads(ael("config", "set", "execution.max_concurent", "1", "--json").stdout)["error"]
    assert (error["code"], error["category"]) == ("CONFIG_PATH_INVALID", "VALIDATION")
    assert error["suggestion"] == "Did you mean 'execution.max_concurrent'?"


@pytest.fixture
async def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = tmp_path / "ael-config.yaml"
    config.write_text("execution: {max_concurrent: 1, queue_limit: 0}\n")
    async with App.open(load_settings(str(config), {"HOME": str(tmp_path)})) as made:
        yield made


async def test_more_executions_than_wait_are_refused(app: App, write) -> None:
    prepared = await app.prepare(write("w.yaml", steps("  - {id: a, wait: {seconds: 3600}}\n")))
    running = asyncio.Event()
    first = asyncio.create_task(app.run(prepared, {}, on_event=lambda *_: running.set()))
    await running.wait()
    with pytest.raises(QueueFull):
        await app.run(prepared, {})
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    (listed,) = await app.executions()
    assert (await app.execution(listed.execution_id)).error.code == "EXECUTION_CANCELLED"  # type: ignore[union-attr]  # it has one


async def test_an_execution_that_another_process_records_stops(app: App, write) -> None:
    prepared = await app.prepare(write("w.yaml", steps("  - {id: a, wait: {seconds: 0.01}}\n")))
    await app.run(prepared, {})  # the file is there now

    def interfere(execution: str, event: Event) -> None:
        if isinstance(event, StepWaiting):
            with contextlib.closing(sqlite3.connect(str(app.settings.journal), isolation_level=None)) as other:
                other.execute("INSERT INTO events VALUES (?, 0, 1, 0, '[]')", (execution,))

    with pytest.raises(ExecutionConflict):
        await app.run(prepared, {}, on_event=interfere)


async def test_a_defect_of_ours_is_an_error_with_an_id(app: App, write, caplog: pytest.LogCaptureFixture) -> None:
    prepared = await app.prepare(write("w.yaml", steps("  - {id: a, wait: {seconds: 0}}\n")))
    engine = app.parts.engine()

    class Broken:
        async def run(self, step, context) -> None:
            raise ZeroDivisionError("a defect")

    engine._runners["wait"] = Broken()  # type: ignore[assignment]  # the defect
    ended = await app.run(prepared, {})
    assert ended.error is not None
    assert ended.error.code == "INTERNAL_ERROR"
    assert "a defect" not in str(ended.error)
    assert "ZeroDivisionError" in caplog.text
    incident = ended.error.detail.split("report it as ")[1][:8]
    assert incident in caplog.text


def test_no_code_is_without_a_test() -> None:
    # SANDBOX_UNAVAILABLE is raised in tests/sandbox/test_systems.py, those of approvals in test_file_tests.py.
    elsewhere = {
        *("EXECUTION_NOT_FOUND", "WORKFLOW_NOT_FOUND", "SANDBOX_UNAVAILABLE", "QUEUE_FULL", "EXECUTION_CANCELLED"),
        *("EXECUTION_CONFLICT", "INTERNAL_ERROR", "APPROVAL_REJECTED", "APPROVAL_EXPIRED", "CONFIG_PATH_INVALID"),
    }
    assert set(CASES) | elsewhere == set(REGISTRY)
