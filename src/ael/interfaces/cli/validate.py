"""`ael validate`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ael.app.application import App, ValidationReport
from ael.app.settings import FILE_NAME, load_settings
from ael.errors import AelError, Problem
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import json_text, print_error, print_problems


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", help="How to report.")
@global_options
@click.pass_obj
def validate_command(settings: Globals, paths: tuple[str, ...], strict: bool, form: str) -> int:  # click
    """Check workflow files, or all in a directory, and name every mistake."""
    form = "json" if settings.json else form
    try:
        reports = asyncio.run(_validate(settings, paths))
    except AelError as error:
        print_error(error, settings)
        return 1
    failed = [report for report in reports if not report.valid or (strict and report.problems)]
    if form == "json":
        click.echo(
            json_text(
                [
                    {"file": one.file, "name": one.name, "valid": one not in failed, "problems": one.problems}
                    for one in reports
                ]
            )
        )
    for report in reports:
        if form == "github":
            for problem in report.problems:
                click.echo(_annotation(report.file, problem))
        elif form == "text":
            _show(report, settings, passed=report not in failed)
    return 1 if failed else 0


async def _validate(settings: Globals, paths: tuple[str, ...]) -> list[ValidationReport]:
    async with App.open(load_settings(settings.config)) as app:
        return [await app.validate(file) for path in paths for file in _files(path)]


def _files(path: str) -> list[str]:
    directory = Path(path)
    if not directory.is_dir():
        return [path]
    found = [file for file in directory.rglob("*") if file.suffix in {".yaml", ".yml"} and file.is_file()]
    # A configuration beside the workflows is none of them.
    return [str(file) for file in sorted(found) if file.name != FILE_NAME]


def _show(report: ValidationReport, settings: Globals, *, passed: bool) -> None:
    print_problems(report.problems, settings)
    if passed:
        click.echo(f"✓ Workflow '{report.name}' is valid")
    else:
        errors = sum(problem.severity == "error" for problem in report.problems)
        warnings = len(report.problems) - errors
        counts = [
            f"{count} {word}{'s' * (count != 1)}" for count, word in ((errors, "error"), (warnings, "warning")) if count
        ]
        click.echo(f"✗ {report.file}: {', '.join(counts)}")


def _annotation(file: str, problem: Problem) -> str:
    """Return a workflow command of GitHub Actions."""
    text = (
        f"{problem.message} {problem.suggestion}".strip().replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    )
    place = (
        f"file={problem.location.file},line={problem.location.line},col={problem.location.column}"
        if problem.location
        else f"file={file}"
    )
    return f"::{problem.severity} {place}::{text}"
