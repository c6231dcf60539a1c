"""`ael executions`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click
import msgspec

from ael.app.application import App, ExecutionSummary, JSONValue, iso
from ael.app.replay import Replay, replay
from ael.errors import did_you_mean
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import (
    duration,
    print_error,
    print_json,
    print_result,
    print_steps,
    print_total,
    printable,
    say,
    wrapped,
)
from ael.interfaces.cli.session import with_app

_STATUSES = ("pending", "running", "waiting", "completed", "failed", "cancelled", "timed_out")
_SPAN = re.compile(r"(\d{1,9})([smhd])")
#: Whom nobody need be told of: who runs the command, and nobody that an older record knows.
_HERE = ("", "local")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Moment(click.ParamType[int]):
    """A time: so long ago (`30m`, `2h`, `7d`), or ISO 8601; UTC where it names no zone."""

    name = "moment"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return UTC milliseconds."""
        if isinstance(value, int):
            return value
        span = _SPAN.fullmatch(value)
        if span is not None:
            return int((time.time() - int(span[1]) * _SECONDS[span[2]]) * 1000)
        try:
            moment = datetime.fromisoformat(value)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return int(aware.timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(f"'{value}' is no time. Write 30m, 2h, 7d, or a date like 2030-01-31T09:00.", param, ctx)


@click.group("executions")
@global_options
def executions_command() -> None:
    """Look at what ran."""


@executions_command.command("show")
@click.argument("execution_id", metavar="ID")
@click.option("--trace", is_flag=True, help="Show inputs and outputs of each step.")
@global_options
@click.pass_obj
def show_command(settings: Globals, execution_id: str, trace: bool) -> int:  # click passes flags so
    """Show one execution; ID may be shortened while it is unique."""

    async def show(app: App) -> int:
        execution = await app.execution(execution_id)
        if settings.json:
            print_json(execution)
            return 0
        settings.says_results = True
        took = duration(execution.duration_ms)
        click.echo(
            f"{execution.execution_id}  {execution.workflow_id} {execution.workflow_version}  {execution.status}"
        )
        click.echo(
            f"started {execution.started_at}, took {took}, seed {execution.seed}"
            if took
            else f"started {execution.started_at}"
        )
        if execution.principal not in _HERE or execution.parent:
            above = f"part of {execution.parent}, " if execution.parent else ""
            click.echo(printable(f"{above}for {execution.principal}"))
        print_steps(execution, settings, trace=trace)
        if execution.error is not None:
            print_error(execution.error, settings)
        elif execution.status == "completed":
            print_result(execution)
        return 0

    return with_app(settings, show)


@executions_command.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those in this status.")
@click.option("--workflow", metavar="NAME", help="Only those of this workflow.")
@click.option("--since", metavar="WHEN", type=Moment(), help="Only those that began then or later: 2h, 7d, 2030-01-31.")
@click.option("--until", metavar="WHEN", type=Moment(), help="Only those that began before.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@global_options
@click.pass_obj
def list_command(
    settings: Globals, status: str | None, workflow: str | None, since: int | None, until: int | None, limit: int
) -> int:
    """List executions, newest first."""

    async def show(app: App) -> int:
        found = await app.executions(status=status, workflow=workflow, since=since, until=until, limit=limit + 1)
        is_cut = len(found) > limit
        found = found[:limit]
        if settings.json:
            print_json([_dated(one) for one in found])
            return 0
        for one in found:
            said = f"{one.execution_id}  {one.status:<10} {iso(one.started_at)}  {one.workflow} {one.version}"
            said += f"  for {one.principal}" if one.principal not in _HERE else ""
            said += f"  part of {one.parent}" if one.parent else ""
            click.echo(printable(said))
        if not found and workflow is not None and workflow not in (executed := await app.executed_workflows()):
            _say_never_executed(workflow, executed, settings)
            return 0
        print_total(len(found), "execution", settings)
        if is_cut and not settings.quiet:
            say("there are older ones: --limit N shows more, --until those before a time", settings)
        return 0

    return with_app(settings, show)


def _say_never_executed(workflow: str, executed: list[str], settings: Globals) -> None:
    """Tell a name that nothing was executed under from one whose executions are only not among those asked for."""
    if settings.quiet:
        return
    say(printable(f"0 executions: no workflow named '{workflow[:100]}' has been executed"), settings)
    hint = did_you_mean(workflow[:100], executed, "workflow")
    if hint:
        say("\n".join(wrapped(f"→ {printable(hint)}")), settings)


def _dated(one: ExecutionSummary) -> dict[str, JSONValue]:
    """Return a row with its times in ISO 8601, as `show` has them."""
    completed = None if one.completed_at is None else iso(one.completed_at)
    return {**msgspec.structs.asdict(one), "started_at": iso(one.started_at), "completed_at": completed}


@executions_command.command("replay")
@click.argument("execution")
@click.option("--definition", metavar="F", help="Another workflow: a file or a name. Says what would have changed.")
@global_options
@click.pass_obj
def replay_command(settings: Globals, execution: str, definition: str | None) -> int:
    """Run a recorded execution again and compare it with its record.

    Tools answer from the record, time and seed are the recorded ones: nothing is called. Exits with 1 where a step
    differs.
    """

    async def work(app: App) -> int:
        report = await replay(app, execution, definition)
        if settings.json:
            print_json(report)
        else:
            _show_replay(report, settings)
        return 0 if report.identical else 1

    return with_app(settings, work)


_REPLAYED = {
    "identical": ("=", "green"),
    "different": ("≠", "red"),
    "new": ("+", "yellow"),
    "gone": ("-", "yellow"),
    "not compared": ("·", "white"),
}


def _show_replay(report: Replay, settings: Globals) -> None:
    for step in report.steps:
        mark, color = _REPLAYED[step.outcome]
        click.echo(f"{click.style(mark, fg=color)} {printable(step.step_id):<24} {step.outcome}", color=settings.color)
        for line in wrapped(printable(step.note)) if step.note else ():
            click.echo(line)
        _show_difference(step.difference, settings)
    if report.difference:
        click.echo(f"{click.style('≠', fg='red')} the result", color=settings.color)
        _show_difference(report.difference, settings)
    if settings.quiet:
        return
    if report.note:
        say(report.note, settings)
    different = sum(step.outcome not in {"identical", "not compared"} for step in report.steps)
    said = "identical" if report.identical else f"{different} of {len(report.steps)} steps differ"
    said += " and the result" if report.difference else ""
    say(printable(f"execution {report.execution_id} of {report.workflow}: {said}"), settings)


def _show_difference(lines: tuple[str, ...], settings: Globals) -> None:
    for line in lines:
        color = {"-": "red", "+": "green"}.get(line[:1])
        click.echo(f"    {click.style(printable(line), fg=color)}", color=settings.color)
