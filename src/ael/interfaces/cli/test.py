"""`ael test`: the tests that workflow files carry."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from ael.app.application import App
from ael.app.junit import junit
from ael.app.recorded import read_recorded
from ael.app.test_editing import append_test, test_of, update_expectation
from ael.app.testing import FileReport, Mismatch, TestReport, TestRunner
from ael.errors import AelError, Problem, WorkflowInvalid
from ael.interfaces.cli.options import Globals, check_pairs, global_options
from ael.interfaces.cli.render import duration, print_json, print_problems, printable, say, wrapped
from ael.interfaces.cli.running import Run
from ael.interfaces.cli.session import with_app
from ael.interfaces.cli.validate import files_of


@click.command("test")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("-k", "name", metavar="NAME", default="", help="Only tests whose name contains NAME.")
@click.option("-j", "--jobs", type=click.IntRange(1, 256), metavar="N", help="Run so many at the same time.")
@click.option("--update", is_flag=True, help="Write what came out into the expectations that failed.")
@click.option("--record", metavar="EXECUTION", help="Write a test from a recorded execution.")
@click.option("--junit", "junit_file", metavar="F", help="Write a JUnit report.")
@click.option("-i", "--input", "pairs", metavar="K=V", multiple=True, help="Run once with inputs and real servers.")
@global_options
@click.pass_obj
def test_command(
    settings: Globals,
    paths: tuple[str, ...],
    name: str,
    jobs: int | None,
    update: bool,
    record: str | None,
    junit_file: str | None,
    pairs: tuple[str, ...],
) -> int:
    """Run the tests in workflow files, or in all of a directory; without PATH, in the registered ones.

    Tools answer from each test's mocks: no server is started. With -i, the workflow runs once with real servers and
    shows its trace.
    """
    if pairs:
        return _run_once(settings, paths, pairs)
    if record is not None:
        return with_app(settings, lambda app: _record(app, settings, record, paths))

    async def work(app: App) -> int:
        runner = TestRunner(app, at_once=jobs or os.cpu_count() or 1)
        files = [file for path in paths for file in files_of(path)] if paths else list(map(str, app.workflow_files()))
        reports = await asyncio.gather(*(runner.run_file(file, name) for file in files))
        return _finish(settings, list(reports), update=update, junit_file=junit_file)

    return with_app(settings, work)


def _run_once(settings: Globals, paths: tuple[str, ...], pairs: tuple[str, ...]) -> int:
    if len(paths) != 1:
        raise click.UsageError("-i runs one workflow: name one file.")
    check_pairs(pairs)
    return asyncio.run(Run(settings, paths[0], pairs, None, None, None, trace=True, dry_run=False).main(None))


async def _record(app: App, settings: Globals, execution: str, paths: tuple[str, ...]) -> int:
    if len(paths) > 1:
        raise click.UsageError("--record writes one test: name one file, or none.")
    recorded = await read_recorded(app, execution)
    file = paths[0] if paths else recorded.plan.definition.source.file
    if not os.path.isfile(file):  # noqa: ASYNC240, PTH113 # one look at a local file; the loop has nothing else to do
        hint = f"Name the file: ael test --record {execution} FILE"
        raise WorkflowInvalid(
            [Problem(message=f"the workflow was run from '{file}', which is no file", suggestion=hint)]
        )
    entry = await test_of(app, recorded)
    name = append_test(file, entry)
    report = (await TestRunner(app).run_file(file, name)).tests[-1]
    left = update_expectation(file, report) if report.mismatches else []
    if settings.json:
        print_json({"file": file, "name": name, "passes": not left, "differs": report.mismatches})
        return 1 if left else 0
    click.echo(printable(f"✓ {file}: wrote the test '{name}'"))
    if report.mismatches:
        say("In a test time stands still and steps run one by one, so it comes out otherwise", settings)
        say("than recorded" + ("; that needs a person:" if left else ", and the test expects that:"), settings)
        for mismatch in report.mismatches:
            _show_mismatch(mismatch, settings)
    return 1 if left else 0


def _finish(settings: Globals, reports: list[FileReport], *, update: bool, junit_file: str | None) -> int:
    tests = [test for report in reports for test in report.tests]
    broken = [report for report in reports if report.problems]
    failed = [test for test in tests if not test.passed]
    if junit_file is not None:
        Path(junit_file).write_bytes(junit(reports))
    if settings.json:
        print_json(reports)
    else:
        for report in reports:
            _show(report, settings)
        print_problems([problem for report in broken for problem in report.problems], settings)
    if update:
        failed = [test for test in failed if not _update(test, settings)]
    if not tests and not broken:
        say("no tests: a workflow's tests stand in its file, under `tests:`", settings)
        return 1
    if not settings.quiet and not settings.json:
        counts = [f"{len(tests) - len(failed)} passed", *([f"{len(failed)} failed"] if failed else [])]
        counts += [f"{len(broken)} files are not valid"] if broken else []
        say(", ".join(counts), settings)
    return 1 if failed or broken else 0


def _update(test: TestReport, settings: Globals) -> bool:
    """Write what a test came to; return whether it passes now."""
    try:
        left = update_expectation(test.file, test)
    except AelError as error:
        say(printable(str(error)), settings)
        return False
    if left:
        say(printable(f"✗ {test.file}: '{test.name}' needs a person: {left[0].message}"), settings)
        return False
    say(printable(f"✓ {test.file}: '{test.name}' expects now what came out"), settings)
    return True


def _show(report: FileReport, settings: Globals) -> None:
    if report.tests and not settings.quiet:
        click.echo(printable(report.file))
    for test in report.tests:
        if test.passed and settings.quiet:
            continue
        mark = click.style("✓", fg="green") if test.passed else click.style("✗", fg="red")
        click.echo(f"{mark} {printable(test.name)}  {duration(test.duration_ms)}", color=settings.color)
        for mismatch in test.mismatches:
            _show_mismatch(mismatch, settings)
        if test.mismatches and test.error is not None:
            for line in wrapped(printable(str(test.error)), "    "):
                click.echo(line)
        if test.mismatches and test.steps:
            steps = ", ".join(f"{step} {status}" for step, status in test.steps.items())
            for line in wrapped(printable(f"steps: {steps}"), "    "):
                click.echo(line)


def _show_mismatch(mismatch: Mismatch, settings: Globals) -> None:
    about = (
        f" (step '{mismatch.step_id}')" if mismatch.step_id and f"'{mismatch.step_id}'" not in mismatch.message else ""
    )
    for line in wrapped(printable(f"{mismatch.message}{about}"), "  "):
        click.echo(line)
    for line in mismatch.difference:
        color = {"-": "red", "+": "green"}.get(line[:1])
        click.echo(f"    {click.style(printable(line), fg=color)}", color=settings.color)
