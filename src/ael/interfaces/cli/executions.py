"""`ael executions`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import click

from ael.app.application import App, iso
from ael.app.settings import load_settings
from ael.errors import AelError
from ael.interfaces.cli.options import Globals, global_options
from ael.interfaces.cli.render import duration, json_text, print_error, print_steps, printable, say


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

    async def show(app: App) -> None:
        execution = await app.execution(execution_id)
        if settings.json:
            click.echo(json_text(execution))
            return
        took = duration(execution.duration_ms)
        click.echo(
            f"{execution.execution_id}  {execution.workflow_id} {execution.workflow_version}  {execution.status}"
        )
        click.echo(
            f"started {execution.started_at}, took {took}, seed {execution.seed}"
            if took
            else f"started {execution.started_at}"
        )
        print_steps(execution, settings, trace=trace)
        if execution.error is not None:
            print_error(execution.error, settings)
        elif execution.status == "completed":
            click.echo(printable(json_text(execution.outputs)))

    return _run(settings, show)


@executions_command.command("list")
@click.option("--status", metavar="S", help="Only those in this status.")
@click.option("--workflow", metavar="NAME", help="Only those of this workflow.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@global_options
@click.pass_obj
def list_command(settings: Globals, status: str | None, workflow: str | None, limit: int) -> int:
    """List executions, newest first."""

    async def show(app: App) -> None:
        found = await app.executions(status=status, workflow=workflow, limit=limit)
        if settings.json:
            click.echo(json_text(found))
            return
        for one in found:
            click.echo(f"{one.execution_id}  {one.status:<10} {iso(one.started_at)}  {one.workflow} {one.version}")
        say(f"{len(found)} executions", settings)

    return _run(settings, show)


def _run(settings: Globals, work: Callable[[App], Awaitable[Any]]) -> int:
    async def main() -> None:
        async with App.open(load_settings(settings.config)) as app:
            await work(app)

    try:
        asyncio.run(main())
    except AelError as error:
        if settings.json:
            click.echo(json_text({"error": error.record()}))
        else:
            print_error(error, settings)
        return 1
    return 0
