"""Every form of the language and every published habit: `tests/corpus`, one small workflow each, with its own tests.

They run as `ael test` runs them, then for real: steps at the same time, the machine's clock, no step after another.
Both give the same, twice, and so does a replay of the record.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from ael.app.application import App
from ael.app.replay import replay
from ael.app.settings import load_settings
from ael.app.testing import mismatches
from ael.engine.engine import Engine, Request, new_execution_id
from ael.errors import AelError, ErrorRecord
from ael.journal.fold import Execution
from ael.tools.mocked import MockedTools
from ael.workflow.inputs import validate_inputs
from ael.workflow.load import load_file
from ael.workflow.model import FileTest

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = sorted(path for path in CORPUS.glob("*.yaml") if path.name != "ael-config.yaml")
CASES = [
    pytest.param(path, test, id=f"{path.stem}: {test.name}")
    for path in FILES
    for test in load_file(str(path)).definition.workflow.tests
    # Nobody decides outside of a test.
    if not test.approvals
]


def test_the_corpus_is_large_and_passes_its_own_tests(ael) -> None:
    assert len(FILES) >= 60
    done = ael("test", str(CORPUS), "-c", str(CORPUS / "ael-config.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(len(load_file(str(path)).definition.workflow.tests) for path in FILES)} passed" in done.stderr


def test_the_corpus_is_valid_without_a_warning(ael) -> None:
    # Doubled braces around plain text are Python's own, with a warning.
    files = [str(path) for path in FILES if path.stem != "template-braces-of-python"]
    done = ael("validate", "--strict", *files, "-c", str(CORPUS / "ael-config.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """Open an application for all cases: each execution is one of its own in it."""
    home = tmp_path_factory.mktemp("home")
    config = home / "ael-config.yaml"
    config.write_text(f"workflows: {{directory: {CORPUS}}}\nexecution: {{durability: 'off'}}\n")
    async with App.open(load_settings(str(config), {"HOME": str(home)})) as opened:
        yield opened


async def run(app: App, path: Path, test: FileTest, tools: MockedTools) -> tuple[Execution | None, ErrorRecord | None]:
    """Run one test for real: parallel, by the machine's clock, on record."""
    plan = (await app.prepare(str(path))).plan
    engine = Engine(
        journal=app.parts.journal(),
        gateway=tools,
        sandbox=app.parts.sandbox,
        resolve=app.parts.definitions.registered,
        options=msgspec.structs.replace(app.parts.options, template_env=test.env),
    )
    try:
        inputs = validate_inputs(plan.workflow, test.inputs)
    except AelError as error:
        return None, error.record()
    ended = await engine.run(Request(plan=plan, inputs=inputs, execution_id=new_execution_id(), seed=test.seed or 1))
    return ended, ended.error


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("path", "test"), CASES)
async def test_a_workflow_gives_the_same_for_real_twice_and_in_replay(app: App, path: Path, test: FileTest) -> None:
    outputs: list[bytes] = []
    plan = (await app.prepare(str(path))).plan
    for _ in range(2):
        tools = MockedTools(test.mocks)
        execution, error = await run(app, path, test, tools)
        assert not [found.message for found in mismatches(plan, test.expect, execution, error, tools)]
        if execution is None:
            return
        outputs.append(msgspec.json.encode([execution.status, execution.outputs]))
        report = await replay(app, execution.execution_id)
        assert report.identical, report
    assert outputs[0] == outputs[1]
