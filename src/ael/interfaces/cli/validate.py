"""`ael validate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ael.app.application import App, ValidationReport
from ael.app.settings import FILE_NAME
from ael.errors import Problem
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import print_json, print_problems
from ael.interfaces.cli.session import with_app


@click.command("validate")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--check-tools", "tools", is_flag=True, help="Start the servers, and check tools and parameters.")
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", help="How to report.")
@global_options
@click.pass_obj
def validate_command(settings: Globals, paths: tuple[str, ...], strict: bool, tools: bool, form: str) -> int:  # click
    """Check workflow files, or all in a directory, and name every mistake."""
    form = "json" if settings.json else form

    async def check(app: App) -> int:
        found = {path: files_of(path) for path in paths}
        reports = [await app.validate(file, tools=tools) for files in found.values() for file in files]
        reports += [_nothing_in(path) for path, files in found.items() if not files]
        failed = [report for report in reports if not report.valid or (strict and report.problems)]
        if form == "json":
            rows = [
                {"file": one.file, "name": one.name, "valid": one not in failed, "problems": one.problems}
                for one in reports
            ]
            print_json(rows)
        for report in reports:
            if form == "github":
                for problem in report.problems:
                    click.echo(_annotation(report.file, problem))
            elif form == "text":
                _show(report, settings, passed=report not in failed)
        return 1 if failed else 0

    return with_app(settings, check)


def files_of(path: str) -> list[str]:
    """Return the workflow files of a directory, or the path of a file."""
    directory = Path(path)
    if not directory.is_dir():
        return [path]
    found: list[Path] = []
    for parent, names, files in os.walk(directory):
        # `.git`, `.venv` and their like hold no workflows of the user's.
        names[:] = [name for name in names if not name.startswith(".")]
        found += [Path(parent, file) for file in files if file.endswith((".yaml", ".yml"))]
    # A configuration beside the workflows is none of them.
    return [str(file) for file in sorted(found) if file.name != FILE_NAME]


def _nothing_in(path: str) -> ValidationReport:
    hint = "Name a file, or a directory that holds some."
    return ValidationReport(
        file=path, problems=(Problem(message=f"'{path}' holds no workflow files", suggestion=hint),)
    )


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
    place = problem.location
    where = f"file={_property(place.file if place else file)}"
    if place:
        where += f",line={place.line},col={place.column}"
    said = f"{problem.message}. {problem.suggestion}" if problem.suggestion else problem.message
    return f"::{problem.severity} {where}::{_data(said)}"


def _data(text: str) -> str:
    """Escape a message: a line of its own would be a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
